// The results of the tasks that this one comes after. They stand in its context as marked blocks; where a block was cut,
// the rest is read with the tool `inspect`, on the authority of the lease.

const block = /<result of="([^"]*)"( truncated="true")?>([\s\S]*?)<\/result>/g;

/** `[{name, value}]` in the order of the task's `after`; a failed task's value is `{error}`. */
export async function dependencyResults({ context, instructions }) {
  const message = context.messages[context.messages.length - 1];
  const text =
    typeof message.content === "string" ? message.content : message.content.map((part) => part.text ?? "").join("");
  // The instructions stand last, and might themselves hold something that looks like a block.
  const before = text.endsWith(instructions) ? text.slice(0, -instructions.length) : text;
  const results = [];
  for (const [, name, cut, body] of before.matchAll(block))
    results.push({ name, value: JSON.parse(cut ? await wholeResult(name) : body) });
  return results;
}

/** The JSON text of a task's result, piece by piece. */
async function wholeResult(task) {
  let text = "";
  for (let offset = 0; ; ) {
    const { result, next_offset } = await callTool("inspect", { task, offset });
    text += typeof result === "string" ? result : JSON.stringify(result);
    if (next_offset === undefined) return text;
    offset = next_offset;
  }
}

/** What `heddle tool` does, without a process for each call. @throws what the tool answered as an error */
async function callTool(name, args) {
  const { HEDDLE_URL, HEDDLE_LEASE } = process.env;
  const reply = await fetch(`${HEDDLE_URL}/v1/leases/${HEDDLE_LEASE}/tools/${name}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ arguments: args }),
  });
  const answer = await reply.json();
  if (answer.result === undefined) throw new Error(`${name}: ${JSON.stringify(answer.error ?? answer)}`);
  return answer.result;
}
