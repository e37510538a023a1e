import { expect, test } from "vitest";
import * as z from "zod";
import { Place } from "../../src/admission.ts";
import { createRunBody } from "../../src/contract/run-requests.ts";
import { callToolBody, createTasksBody } from "../../src/contract/task-requests.ts";
import { parseToolArguments } from "../../src/contract/tools.ts";
import { Fault } from "../../src/errors/fault.ts";
import { readBody, readQuery } from "../../src/http/body.ts";
import { batchGroupsMax, bodyBytesMax, fieldErrorsMax, jsonValuesMax, labelsMax } from "../../src/limits.ts";

const schema = z.strictObject({ a: z.number().optional() });

const post = (body: BodyInit | null, headers: Record<string, string> = { "content-type": "application/json" }) =>
  new Request("http://h/", {
    method: "POST",
    body,
    headers,
    ...(body instanceof ReadableStream && { duplex: "half" }),
  });

async function faultOf(request: Request, of: z.ZodType = schema): Promise<Fault["data"]> {
  try {
    await readBody(request, of);
  } catch (error) {
    if (error instanceof Fault) return error.data;
    throw error;
  }
  throw new Error("accepted");
}

test("the text is kept beside the value", async () => {
  const { value, text } = await readBody(post('{ "a" : 1.0 }'), schema);
  expect([value, text]).toEqual([{ a: 1 }, '{ "a" : 1.0 }']);
});

test("an absent body is an empty object, and needs no content type", async () => {
  expect((await readBody(post(null, {}), schema)).value).toEqual({});
});

test.each([["application/json; charset=utf-8"], ["Application/JSON"], ["application/vnd.api+json"]])(
  "takes %s",
  async (type) => {
    expect((await readBody(post("{}", { "content-type": type }), schema)).value).toEqual({});
  },
);

test.each([
  ["text/plain", {}],
  ["application/x-www-form-urlencoded", {}],
  ["application/json; charset=latin1", {}],
  ["application/json", { "content-encoding": "gzip" }],
])("refuses %s %j", async (type, more) => {
  expect(await faultOf(post("{}", { "content-type": type, ...more }))).toMatchObject({
    code: "unsupported_media_type",
  });
});

test("malformed JSON is told with its place", async () => {
  expect(await faultOf(post('{"a": x}'))).toEqual({
    code: "malformed_json",
    detail: 'unexpected "x" at line 1, column 7 (position 6)',
  });
  expect(await faultOf(post('{"a": '))).toMatchObject({ detail: expect.stringContaining("ends too early") });
});

test("invalid UTF-8 is refused, not replaced", async () => {
  expect(await faultOf(post(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])))).toMatchObject({ code: "malformed_json" });
});

test("a field that is nearly one is told which", async () => {
  const retries = z.strictObject({ limit: z.int() }).exactOptional();
  const task = z.strictObject({
    instructions: z.string(),
    fork: z.union([z.string(), retries]).exactOptional(),
    retries,
  });
  const asked = (json: object) =>
    readBody(post(JSON.stringify(json)), z.strictObject({ tasks: z.array(task), limits: retries })).then(
      () => undefined,
      (fault: Fault) => fault.data.errors?.map(({ path, message }) => `${path}: ${message}`),
    );
  expect(
    await asked({
      tasks: [
        { instructions: "a", instruction: "b", retries: { limt: 1, limit: 2 }, fork: { limit: 2, Limit: 1, xy: 1 } },
      ],
      limts: {},
      workers: 1,
    }),
  ).toEqual([
    'tasks[0].fork.Limit: unknown field; did you mean "limit"?',
    "tasks[0].fork.xy: unknown field",
    'tasks[0].retries.limt: unknown field; did you mean "limit"?',
    'tasks[0].instruction: unknown field; did you mean "instructions"?',
    'limts: unknown field; did you mean "limits"?',
    "workers: unknown field",
  ]);
});

test("what others call a field, camels, and a tool's arguments beside their envelope are told their name and place here", async () => {
  const told = (json: object, schema: z.ZodType) =>
    readBody(post(JSON.stringify(json)), schema).then(
      () => undefined,
      (fault: Fault) => fault.data.errors?.map(({ path, message }) => `${path}: ${message}`),
    );
  const unknown = (path: string, meant: string) => `${path}: unknown field; did you mean "${meant}"?`;
  const task = {
    name: "a",
    depends_on: ["b"],
    onDependencyFailure: "run",
    timeout: 5,
    prompt: "x",
    retries: { max_attempts: 3 },
  };
  expect(await told({ tasks: [{ instructions: "x", ...task }] }, createTasksBody)).toEqual([
    unknown("tasks[0].retries.max_attempts", "limit"),
    unknown("tasks[0].name", "key"),
    unknown("tasks[0].depends_on", "after"),
    unknown("tasks[0].onDependencyFailure", "on_dependency_failure"),
    unknown("tasks[0].timeout", "timeout_ms"),
    unknown("tasks[0].prompt", "instructions"),
  ]);
  expect(await told({ limits: { maxConcurrency: 3 } }, createRunBody)).toEqual([
    unknown("limits.maxConcurrency", "workers"),
  ]);
  expect(await told({ op: "add" }, callToolBody)).toEqual([
    'op: unknown field here; what the tool takes goes into "arguments"',
  ]);
  expect(await told({ context: "We sell kettles.", root: "Sell." }, createRunBody)).toEqual([
    'context: expected an object, as {"messages": [{"role": "user", "content": "…"}]}',
    'root: expected an object, as {"instructions": "…"}',
  ]);
  expect(await told({ tasks: [{ instructions: "x", retries: 3 }, "y"] }, createTasksBody)).toEqual([
    'tasks[0].retries: expected an object, as {"limit": 3}',
    'tasks[1]: expected an object, as {"instructions": "…"}',
  ]);
});

test("names of the caller's own are counted before any is looked at, and as many are told of as are shown", async () => {
  const names = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`K ${i}`, 1]));
  const told = (json: object) =>
    readBody(post(JSON.stringify(json)), createTasksBody).then(
      () => undefined,
      (fault: Fault) => fault.data.errors,
    );
  const many = 100_000;
  expect(await told({ tasks: [{ instructions: "x", labels: names(many) }] })).toEqual([
    { path: "tasks[0].labels", message: `at most ${labelsMax} labels` },
  ]);
  expect(await told({ tasks: [{ instructions: "x" }], groups: names(many) })).toEqual([
    { path: "groups", message: `at most ${batchGroupsMax} groups` },
  ]);
  expect(await told({ tasks: [{ instructions: "x", ...names(many) }] })).toHaveLength(fieldErrorsMax);
  // Those that may be there are each told of.
  expect(await told({ tasks: [{ instructions: "x", labels: names(2) }] })).toMatchObject([
    { path: 'tasks[0].labels["K 0"]' },
    { path: 'tasks[0].labels["K 1"]' },
  ]);
});

test("of a name that is no field's a piece is told, in tool arguments as well, however long it is", async () => {
  const long = "k".repeat(1_000_000);
  const told = `["${"k".repeat(64)}"]`;
  expect(await faultOf(post(`{"${long}":1}`))).toMatchObject({
    detail: `${told}: unknown field`,
    errors: [{ path: told, message: "unknown field" }],
  });
  const shown = `finish: ${told}: unknown field`;
  expect(parseToolArguments("finish", `{"result":1,"${long}":1}`)).toMatchObject({ ok: false, message: shown });
  const task = { instructions: "x", output_schema: { type: long } };
  const { errors } = await faultOf(post(JSON.stringify({ tasks: [task] })), createTasksBody);
  expect(errors![0]!.message.length).toBeLessThan(200);
});

test.each([["[]"], ["null"], ["7"], ['"a"']])("%s is no object", async (text) => {
  expect(await faultOf(post(text))).toMatchObject({ code: "validation_failed" });
});

test.each([
  ['{"b":1}', "b", "unknown field"],
  ['{"a":"x"}', "a", "expected number, received string"],
  ['{"__proto__":{"a":1}}', "__proto__", "unknown field"],
])("%s names %s", async (text, path, message) => {
  expect(await faultOf(post(text))).toMatchObject({ code: "validation_failed", errors: [{ path, message }] });
});

test("nesting is bounded, however deep it is", async () => {
  for (const levels of [65, 100_000, 1_000_000]) {
    const text = `{"a":${"[".repeat(levels)}${"]".repeat(levels)}}`;
    expect(await faultOf(post(text))).toMatchObject({
      code: "validation_failed",
      detail: "the body nests deeper than 64 levels",
    });
  }
});

test("values are counted before any of them is made, in arguments inside of a text as well", async () => {
  const list = `[${"{},".repeat(jsonValuesMax / 2)}{}]`;
  const detail = `the body has more than ${jsonValuesMax} values; send it in several requests`;
  expect(await faultOf(post(`{"a":${list}}`))).toMatchObject({ code: "validation_failed", detail });
  expect(await faultOf(post(`{"a":${list}`))).toMatchObject({ code: "validation_failed", detail });
  expect(parseToolArguments("finish", `{"result":${list}}`)).toMatchObject({
    code: "bad_arguments",
    message: `finish: the arguments: the JSON has more than ${jsonValuesMax} values`,
  });
});

test.each([["1e400"], ["-1e309"], ["[[1, 1e999]]"]])(
  "%s would be printed as another value, and is refused",
  async (number) => {
    const detail = "the body has a number beyond ±1.8e308";
    expect(await faultOf(post(`{"a":${number}}`))).toMatchObject({ code: "validation_failed", detail });
  },
);

test("the cap holds by content-length, and while a body of unknown length arrives", async () => {
  expect(
    await faultOf(post("{}", { "content-type": "application/json", "content-length": String(bodyBytesMax + 1) })),
  ).toEqual({
    code: "body_too_large",
  });
  let sent = 0;
  const chunk = new TextEncoder().encode(" ".repeat(1 << 20));
  const endless = new ReadableStream({
    pull(controller) {
      sent += chunk.length;
      controller.enqueue(chunk);
    },
  });
  expect(await faultOf(post(endless))).toEqual({ code: "body_too_large" });
  expect(sent).toBeLessThan(bodyBytesMax + 4 * chunk.length);
});

test("a body that breaks off is the client's doing, and no error of ours", async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("Network connection lost.")) });
  expect(await faultOf(post(broken))).toEqual({ code: "malformed_json", detail: "the body broke off" });
});

test("queries are strict, and a parameter counts once", () => {
  const query = z.strictObject({ limit: z.string().optional() });
  expect(readQuery(new URL("http://h/?limit=1"), query)).toEqual({ limit: "1" });
  expect(() => readQuery(new URL("http://h/?limit=1&limit=2"), query)).toThrow("given twice");
  expect(() => readQuery(new URL("http://h/?limits=1"), query)).toThrow("limits: unknown field");
});

test("a body whose place is left while it comes is refused, in the middle of its silence", async () => {
  const place = new Place({ priority: "create" }, 0);
  const silent = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("{")) });
  const read = readBody(post(silent), schema, place);
  await new Promise((resolve) => setTimeout(resolve, 0));
  place.leave();
  await expect(read).rejects.toMatchObject({ data: { code: "overloaded" } });
  const whole = new Place({ priority: "create" }, 0);
  expect((await readBody(post('{"a": 1}'), schema, whole)).value).toEqual({ a: 1 });
  expect(whole.isLate(Number.MAX_SAFE_INTEGER)).toBe(false);
});
