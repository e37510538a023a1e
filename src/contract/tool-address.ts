/**
 * Which addresses a deployment may call for a tenant (DESIGN §9): https and public ones; where Heddle runs on one's own
 * machine also http and that machine itself.
 *
 * A1. The URL is judged as the platform's own parser reads it, so every spelling of an IP address (octal, hexadecimal, one
 *     number, IPv4 inside IPv6) is the address that it means.
 * A2. What is judged is the name. That a public name may point at a private address is left to the network: a Worker reaches
 *     none of its host's.
 */

type Refused = string | undefined;

const noLink = "expected an absolute https URL without user name and password";

/** Why this address may not be called, for its field; undefined when it may. `local`: on one's own machine. */
export function refusedAddress(text: string, { local }: { readonly local: boolean }): Refused {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return noLink;
  }
  if (url.username !== "" || url.password !== "") return noLink;
  if (url.protocol !== "https:" && !(local && url.protocol === "http:")) {
    return url.protocol === "http:" ? "expected https: http is for local mode only" : noLink;
  }
  // A name may end in a dot; in several it names nothing, and is judged without them all the same.
  const host = url.hostname.replace(/\.+$/, "");
  if (host === "") return noLink;
  const kind = hostKind(host);
  if (kind === "public" || (local && kind === "loopback")) return undefined;
  return `${host} is a ${kind} address, which no deployment calls`;
}

/**
 * What must not be told with what went wrong at an address: the values of its query, where keys stand, as they are written there and as they are
 * meant. Who answers may repeat them, and so may the runtime; and an error is read by models, in logs and in files.
 */
export function secretsIn(text: string): string[] {
  if (!URL.canParse(text)) return [];
  const { search, searchParams } = new URL(text);
  const written = search
    .slice(1)
    .split("&")
    .map((pair) => pair.slice(pair.indexOf("=") + 1));
  // The longest first: one may be a part of another.
  return [...new Set([...searchParams.values(), ...written])]
    .filter((value) => value !== "")
    .sort((a, b) => b.length - a.length);
}

type Kind = "public" | "loopback" | "private" | "link-local" | "reserved";

function hostKind(host: string): Kind {
  if (host.startsWith("[")) return kindOfIpv6(host.slice(1, -1));
  const parts = host.split(".");
  if (parts.length === 4 && parts.every((part) => /^\d+$/.test(part))) return kindOfIpv4(parts.map(Number));
  const name = host.toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost")) return "loopback";
  // Names without a dot, and those that are kept for networks of one's own, mean nothing to the public.
  if (!name.includes(".") || /\.(local|internal|intranet|lan|home|corp|home\.arpa)$/.test(name)) return "private";
  return "public";
}

function kindOfIpv4([a = 0, b = 0, c = 0]: readonly number[]): Kind {
  if (a === 127) return "loopback";
  if (a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168)) return "private";
  // Shared by carriers, and between a host and its own services.
  if (a === 100 && b >= 64 && b <= 127) return "private";
  if (a === 169 && b === 254) return "link-local";
  const isForTests =
    (a === 192 && b === 0 && (c === 0 || c === 2)) ||
    (a === 198 && (b === 18 || b === 19 || (b === 51 && c === 100))) ||
    (a === 203 && b === 0 && c === 113);
  return a === 0 || a >= 224 || isForTests ? "reserved" : "public";
}

function kindOfIpv6(text: string): Kind {
  const groups = groupsOf(text);
  const [first = 0, second = 0] = groups;
  const isZeroUpTo = (end: number) => groups.slice(0, end).every((group) => group === 0);
  const ipv4 = (high: number, low: number): Kind => kindOfIpv4([high >> 8, high & 255, low >> 8]);
  if (isZeroUpTo(7) && groups[7] === 1) return "loopback";
  // Mapped, translated, and compatible forms: what they hold is what is reached.
  if (isZeroUpTo(5) && groups[5] === 0xffff) return ipv4(groups[6]!, groups[7]!);
  if (isZeroUpTo(4) && groups[4] === 0xffff && groups[5] === 0) return ipv4(groups[6]!, groups[7]!);
  if (first === 0x64 && second === 0xff9b) return groups[2] === 0 ? ipv4(groups[6]!, groups[7]!) : "private";
  if (first === 0x2002) return ipv4(second, groups[2]!);
  if (isZeroUpTo(6)) return groups[6] === 0 ? "reserved" : ipv4(groups[6]!, groups[7]!);
  if ((first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfec0) return "private";
  if ((first & 0xffc0) === 0xfe80) return "link-local";
  // Only 2000::/3 is in public use; Teredo and the documentation's addresses are not.
  if ((first & 0xe000) !== 0x2000 || (first === 0x2001 && (second === 0 || second === 0xdb8))) return "reserved";
  return "public";
}

/** The eight groups of an address as a URL parser prints it: hexadecimal, at most one `::`. */
function groupsOf(text: string): number[] {
  const [head = "", tail] = text.split("::");
  const numbers = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const [left, right] = [numbers(head), numbers(tail ?? "")];
  return [...left, ...new Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0), ...right];
}
