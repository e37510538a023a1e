/** Types of the plain JavaScript that the tests import: what its own comments say. */

declare module "*/scripts/lib/ports.mjs" {
  export function freePort(): Promise<number>;
  export function becomesFree(port: number): Promise<boolean>;
}

declare module "*/scripts/lib/dev-server.mjs" {
  export interface DevServer {
    readonly url: string;
    readonly key: string;
    stop(): Promise<unknown>;
  }
  export function startDev(options: {
    state: string;
    environment: Record<string, string>;
    config?: string;
    show: (text: string) => void;
  }): Promise<DevServer>;
}

declare module "*/scripts/lib/dev-settings.mjs" {
  export function devSettings(
    argv: readonly string[],
    env: Record<string, string | undefined>,
  ): { port: number; state: string; config: string | undefined } | undefined;
}

declare module "*/scripts/lib/processes.mjs" {
  export interface Identity {
    readonly pid: number;
    readonly start: string;
  }
  export function identify(pid: number): Identity | undefined;
  export function isSame(identity: Identity): boolean;
  export function familyOf(pid: number): Identity[];
  export function cpuMsOf(members: readonly Identity[]): number;
  export function endFamily(family: { leader: Identity; members: Identity[] }): Promise<number>;
}

declare module "*/scripts/lib/silence.mjs" {
  export class Silence {
    constructor(now: number, cpuMs: number);
    broken(now: number, cpuMs: number): void;
    lasts(now: number, cpuMs: number): string | undefined;
  }
}

declare module "*/scripts/lib/stage.mjs" {
  import type { SpawnOptions } from "node:child_process";
  export function runStage(
    file: string,
    args: readonly string[],
    options: SpawnOptions & { signal: AbortSignal },
  ): Promise<number>;
}

declare module "*/scripts/lib/state-folder.mjs" {
  export class StateFolder {
    readonly path: string;
    constructor(path: string);
    take(url: string): Promise<{ ended: number }>;
    release(): void;
    secret(name: string): string;
    file(name: string): string;
  }
}

declare module "*/scripts/lib/migrations.mjs" {
  import type { StateFolder } from "*/scripts/lib/state-folder.mjs";
  export function applyMigrations(options: {
    root: string;
    config: string;
    folder: StateFolder;
    log: (text: string) => void;
  }): Promise<void>;
}

declare module "*/scripts/lib/wrangler.mjs" {
  export const projectRoot: string;
  export function toolchainNode(): string;
  export function wranglerScript(): string;
  export function wranglerEnvironment(state: string): NodeJS.ProcessEnv;
}

declare module "*/scripts/lib/env-file.mjs" {
  export function envFileText(variables: Record<string, string>): string;
}

declare module "*/scripts/lib/screen-filter.mjs" {
  export class ScreenFilter {
    constructor(to: { log: (text: string) => void; show: (text: string) => void });
    write(text: string): void;
    end(): void;
  }
}

declare module "*/scripts/demo/source-files.mjs" {
  export function sourceFiles(
    root: string,
    max: number,
  ): {
    files: { path: string; bytes: number }[];
    binary: number;
    large: number;
    links: number;
    odd: number;
    left: number;
  };
}

declare module "*/scripts/demo/plan.mjs" {
  interface PlannedTask {
    readonly key: string;
    readonly instructions: string;
    readonly after?: string[];
  }
  export function planOf(input: {
    root: string;
    files: { path: string; bytes: number }[];
    pool: string;
    format: string;
    simulated: boolean;
  }): { tasks: PlannedTask[] };
}

declare module "*/scripts/demo/report.mjs" {
  export function failureLines(
    tasks: { id: string; title: string | null; state: string; error?: { code: string; message: string } }[],
  ): string;
}

declare module "*/examples/analyse/analyse-file.mjs" {
  interface MeasuredFunction {
    readonly name: string;
    readonly line: number;
    readonly lines: number;
    readonly complexity: number;
  }
  interface Suspect {
    readonly kind: string;
    readonly line: number;
    readonly text: string;
  }
  export function analyseFile(
    root: string,
    path: string,
  ): {
    lines: { total: number; code: number; comment: number; blank: number };
    functions: { count: number; longest: MeasuredFunction[]; most_complex: MeasuredFunction[] };
    notes: { count: number; first: Suspect[] };
    secrets: Suspect[];
    [more: string]: unknown;
  };
}

declare module "*/examples/analyse/combine.mjs" {
  type Combined = Record<string, unknown>;
  export function combine(path: string, parts: { name: string; value: unknown }[]): Combined;
  export function concluded(combined: Combined): Combined;
}
