import { describe, expect, test } from "vitest";
import { Newer } from "../../src/errors/newer.ts";
import { deploymentSchema } from "../../src/storage/deployment-schema.ts";
import { gateSchema } from "../../src/storage/gate-schema.ts";
import { migrate, type Schema, storedVersion } from "../../src/storage/migrations.ts";
import { runSchema } from "../../src/storage/run/schema.ts";
import { variableSchema } from "../../src/storage/variable/variable-store.ts";
import { Storage } from "../sim/system/platform/storage.ts";

/** A database, what is written to it, and all that is in it. */
function database() {
  const storage = new Storage();
  let writes = 0;
  const sql = storage.sql({ before: (isWrite) => (writes += isWrite ? 1 : 0), written: () => undefined });
  return {
    sql,
    open: (schema: Schema) => migrate(sql, (work) => storage.transaction(work), schema),
    written: () => writes,
    tables: () => storage.rows("SELECT name, sql FROM sqlite_master ORDER BY name").map((row) => ({ ...row })),
  };
}
const upTo = (schema: Schema, version: number): Schema => ({ ...schema, steps: schema.steps.slice(0, version) });

const schemas = [runSchema, variableSchema, gateSchema, deploymentSchema];
const versions = schemas.flatMap((schema) => schema.steps.map((_, i) => ({ of: schema.name, version: i + 1, schema })));

describe("storage of an object", () => {
  test.each(versions)("S1 of a $of of version $version comes to the tables of a new one", ({ schema, version }) => {
    const old = database();
    // Version 1 of a gate had no place for its version.
    if (schema === gateSchema && version === 1) old.sql.exec(schema.steps[0]!);
    else old.open(upTo(schema, version));
    expect(storedVersion(old.sql, schema)).toBe(version);
    old.open(schema);
    const fresh = database();
    fresh.open(schema);
    expect(old.tables()).toEqual(fresh.tables());
    expect(storedVersion(old.sql, schema)).toBe(schema.steps.length);
  });

  test("S1 without a version is of version 1", () => {
    const { sql, open } = database();
    sql.exec(runSchema.steps[0]!);
    open(runSchema);
    expect(storedVersion(sql, runSchema)).toBe(runSchema.steps.length);
  });

  test("S1 stays as it was when a step fails", () => {
    const { open, sql, tables } = database();
    open(upTo(runSchema, 2));
    const before = tables();
    const broken = { ...runSchema, steps: [...runSchema.steps.slice(0, 3), "CREATE TABLE broken("] };
    expect(() => open(broken)).toThrow();
    expect(tables()).toEqual(before);
    expect(storedVersion(sql, runSchema)).toBe(2);
    open(runSchema);
    expect(storedVersion(sql, runSchema)).toBe(runSchema.steps.length);
  });

  test.each(schemas)("S2 of a $name that is up to date is not written to", (schema) => {
    const { open, written } = database();
    open(schema);
    const before = written();
    open(schema);
    expect(written()).toBe(before);
  });

  test.each(schemas)("S3 of a $name of a newer version is refused, and not written to", (schema) => {
    const { open, sql, written } = database();
    open({ ...schema, steps: [...schema.steps, "CREATE TABLE later(x)"] });
    const before = written();
    expect(() => open(schema)).toThrow(Newer);
    expect(() => open(schema)).toThrow(/Nothing was changed. Deploy the newer version again/);
    expect(written()).toBe(before);
    expect(storedVersion(sql, schema)).toBe(schema.steps.length + 1);
  });
});
