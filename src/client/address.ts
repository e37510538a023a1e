/** What can be known of an address and a key before anything is sent: no repeat mends it, so it is said at once. */

/** @throws TypeError that says what is wrong with the address. A page may leave out the part that is its own. */
export function checkAddress(text: string | undefined): void {
  if (text === undefined)
    throw new TypeError(
      'there is no url: new Heddle({ url: "http://127.0.0.1:8787", key: process.env.HEDDLE_API_KEY })',
    );
  const page = (globalThis as { location?: { href: string } }).location?.href;
  let url: URL;
  try {
    url = new URL(text, page);
  } catch {
    throw new TypeError(`url is "${text}", which is no address. Example: "http://127.0.0.1:8787"`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new TypeError(`url is "${text}"; it must begin with http:// or https://.`);
  // Without the address itself: what stands in it there is secret.
  if (url.username !== "" || url.password !== "")
    throw new TypeError("url has a name or password in it, which fetch refuses to send: give the key as `key`.");
  if (/[?#]/.test(text)) throw new TypeError('url has a "?" or "#" in it: give the address of the server alone.');
}

/** @throws TypeError without the key itself, which might end in a log */
export function checkKey(key: string): void {
  if (key.trim() === "") throw new TypeError("key is empty; is the variable that it comes from not set?");
  try {
    new Headers({ authorization: `Bearer ${key}` });
  } catch {
    throw new TypeError("key holds characters that no header can carry (a line break, or no ASCII?).");
  }
}
