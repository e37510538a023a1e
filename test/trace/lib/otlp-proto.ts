/** OTLP's own definitions: what the official package generates from them. */

import generated from "@opentelemetry/otlp-transformer/build/src/generated/root.js";

/** The package has no types of its own for them. */
interface Message {
  fromObject(value: object): object;
  verify(message: object): string | null;
  encode(message: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
  toObject(message: object, options: object): object;
}
const { opentelemetry } = generated as unknown as {
  opentelemetry: { proto: { collector: { trace: { v1: { ExportTraceServiceRequest: Message } } } } };
};
const { ExportTraceServiceRequest } = opentelemetry.proto.collector.trace.v1;

/** Ids are hex in OTLP's JSON, where the JSON of protobuf has base 64. */
const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));

/** A request's JSON as it comes out of the binary form. @throws for what the definitions do not take */
export function throughProtobuf(text: string): object {
  const withBytes = JSON.parse(text, (key, value) =>
    ["traceId", "spanId", "parentSpanId"].includes(key) ? bytesOf(value) : value,
  );
  const message = ExportTraceServiceRequest.fromObject(withBytes);
  const wrong = ExportTraceServiceRequest.verify(message);
  if (wrong !== null) throw new Error(wrong);
  const decoded = ExportTraceServiceRequest.decode(ExportTraceServiceRequest.encode(message).finish());
  const back = ExportTraceServiceRequest.toObject(decoded, { longs: String, enums: Number, arrays: false });
  return JSON.parse(JSON.stringify(back), (_, value) =>
    value?.type === "Buffer" ? Buffer.from(value.data).toString("hex") : value,
  );
}
