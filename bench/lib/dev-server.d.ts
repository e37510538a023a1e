/** The launcher is a plain module, since it runs on whatever Node there is; this is what the benchmark uses of it. */
declare module "*/scripts/lib/dev-server.mjs" {
  export interface DevServer {
    readonly url: string;
    readonly key: string;
    readonly port: number;
    pids(): number[];
    stop(): Promise<unknown>;
    /** `kill -9` of all of its processes. */
    kill(): Promise<unknown>;
  }
  export function startDev(options: {
    port?: number;
    state?: string;
    environment?: Record<string, string>;
    config?: string;
  }): Promise<DevServer>;
}
