/** What an answer's body begins with, up to some `charsMax`: what is over it is not read. */
export async function beginningOf(response: Response, charsMax: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    text += decoder.decode(part.value, { stream: true });
    if (text.length < charsMax) continue;
    await reader?.cancel();
    break;
  }
  return text.slice(0, charsMax).trim();
}
