/**
 * The deployment's collector of traces, as OpenTelemetry's own variables name it:
 * `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` as it is, or `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces` behind it, and headers in
 * `OTEL_EXPORTER_OTLP_TRACES_HEADERS` or `OTEL_EXPORTER_OTLP_HEADERS` (`name=value,name=value`, values percent-encoded).
 */

export interface CollectorVariables {
  readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string;
  readonly OTEL_EXPORTER_OTLP_TRACES_ENDPOINT?: string;
  readonly OTEL_EXPORTER_OTLP_HEADERS?: string;
  readonly OTEL_EXPORTER_OTLP_TRACES_HEADERS?: string;
  /** There in local mode only. */
  readonly HEDDLE_BOOT?: string;
}

export interface Collector {
  readonly url: string;
  /** With what it is to be shown: credentials, so nothing of them may reach a log. */
  readonly headers: Readonly<Record<string, string>>;
}

/** `collector`: absent where none is configured. `message` names the variable and no value. */
export type FoundCollector =
  | { readonly ok: true; readonly collector?: Collector }
  | { readonly ok: false; readonly message: string };

export function parseCollector(variables: CollectorVariables): FoundCollector {
  const own = variables.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  const base = variables.OTEL_EXPORTER_OTLP_ENDPOINT;
  const name = own ? "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" : "OTEL_EXPORTER_OTLP_ENDPOINT";
  const text = own || (base ? `${base.replace(/\/+$/, "")}/v1/traces` : "");
  if (text === "") return { ok: true };
  const isLocal = variables.HEDDLE_BOOT !== undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !(url.protocol === "https:" || (isLocal && url.protocol === "http:")))
    return { ok: false, message: `${name} must be an https address${isLocal ? ", or an http one" : ""}` };
  if (url.username !== "" || url.password !== "")
    return { ok: false, message: `${name} must hold no user name and password: they go into the headers` };
  const headersName = variables.OTEL_EXPORTER_OTLP_TRACES_HEADERS
    ? "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
    : "OTEL_EXPORTER_OTLP_HEADERS";
  const headers = parseHeaders(variables[headersName] ?? "");
  return headers
    ? { ok: true, collector: { url: url.href, headers } }
    : { ok: false, message: `${headersName} must be name=value,name=value, with values percent-encoded` };
}

function parseHeaders(text: string): Record<string, string> | undefined {
  const headers: Record<string, string> = {};
  for (const pair of text.split(",")) {
    if (pair.trim() === "") continue;
    const [, name, encoded] = /^\s*([\w!#$%&'*+.^`|~-]+)\s*=(.*)$/.exec(pair) ?? [];
    const value = encoded === undefined ? undefined : decoded(encoded.trim());
    // Printable ASCII: what a header may hold anywhere.
    if (name === undefined || value === undefined || !/^[\x20-\x7e]*$/.test(value)) return undefined;
    headers[name.toLowerCase()] = value;
  }
  return headers;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
