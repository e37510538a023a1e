// A local Heddle server: one `wrangler dev` in a process group of its own, watched from ready to stopped.
//
// Owns the order (take the folder, migrate, start, wait for health), the processes and their end.
// Does not own what is served (src/local) nor what is printed (scripts/dev.mjs).
//
// L1  Whatever way this process ends, the next start with the same folder ends what it left.
// L2  After ready, a runtime that no longer answers is an end, not a hang: `exited` resolves.
// L3  The cron sweep runs once a minute, as the platform would.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeEnvFile } from "./env-file.mjs";
import { LogFile } from "./log-file.mjs";
import { applyMigrations } from "./migrations.mjs";
import { becomesFree, freePort } from "./ports.mjs";
import { cpuMsOf, endFamily, familyOf, identify, isSame, processTable, signal } from "./processes.mjs";
import { ScreenFilter } from "./screen-filter.mjs";
import { Silence, stuckMs } from "./silence.mjs";
import { sleep } from "./sleep.mjs";
import { StateFolder } from "./state-folder.mjs";
import { StopError } from "./stop-error.mjs";
import { projectRoot, toolchainNode, wranglerEnvironment, wranglerScript } from "./wrangler.mjs";

const localKey = "hdl_local";

const startMark = "--- start ";

/** Bundling and starting takes three seconds; a loaded machine gets much more. */
const readyMs = 120_000;
/** What a server says for so long that it lacks does not come by itself. */
const lackingMs = 15_000;
/** What a server that was asked to stop gets before it is killed. */
const stopMs = 5000;
/** How often a killed process is looked for. */
const killedEveryMs = 20;
const sweepEveryMs = 60_000;
const watchEveryMs = 5000;
/** A look that took so much longer than it may was no look: the machine slept, or this process had no turn either. */
const lateMs = 5000;

/** Variables of the caller's environment that the worker gets. */
const passedOn =
  /^(ANTHROPIC_API_KEY|ANTHROPIC_BASE_URL|ANTHROPIC_MODEL|OPENAI_API_KEY|OPENAI_BASE_URL|OPENAI_MODEL|HEDDLE_PRICES|HEDDLE_RULES|HEDDLE_CREDENTIALS_KEY_OLD|HEDDLE_RETENTION_DAYS|HEDDLE_SEATS|HEDDLE_BILLING_(?:KEY|URL|METERS)|OTEL_EXPORTER_OTLP_(?:TRACES_)?(?:ENDPOINT|HEADERS)|HEDDLE_MODEL\w*|SEATS)$/;

/**
 * Starts a server and resolves when `GET /health` answers 200.
 *
 * `port` 0 or absent: a free one. `env`: variables for the worker over those passed on from `environment` (default: this
 * process's); null takes one away. `show(text)` gets the errors that belong on a screen. `config` for another worker.
 * Resolves to `{url, key, port, log, pids(), stop(), kill(), exited}`: `stop` ends it in good order, `kill` is `kill -9` of
 * everything (for crash tests), `exited` resolves to `{expected, reason, tail}` when it has ended, by us or by itself.
 * @throws StopError when the port or the folder is taken, a migration fails, or it does not become ready
 */
export async function startDev({
  port: wanted = 0,
  state = join(projectRoot, ".heddle"),
  env = {},
  environment = process.env,
  config = join(projectRoot, "wrangler.local.toml"),
  root = projectRoot,
  show = (text) => process.stderr.write(text),
  signal: abort,
} = {}) {
  if (!existsSync(config)) throw new StopError(`There is no ${config}.`);
  const port = wanted || (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const folder = new StateFolder(state);
  const log = new LogFile(folder.file("server.log"));
  const { ended } = await folder.take(url);
  try {
    begin(log, url);
    if (ended > 0) log.append(`ended ${ended} processes of a killed server\n`);
    if (!(await becomesFree(port))) {
      throw new StopError(
        `Port ${port} is in use by another program (or not allowed). Take another one, for example: npm run dev -- --port ${port < 65_535 ? port + 1 : 8787}`,
      );
    }
    const variables = {
      HEDDLE_BOOT: randomBytes(8).toString("hex"),
      HEDDLE_SECRET: folder.secret("secret"),
      HEDDLE_CREDENTIALS_KEY: folder.secret("credentials-secret"),
    };
    variables.HEDDLE_PUBLIC_URL = url;
    variables.SIMULATED_URL = `${url}/simulated`;
    for (const [name, value] of Object.entries(environment)) if (passedOn.test(name) && value) variables[name] = value;
    for (const [name, value] of Object.entries(env)) {
      if (value === null || value === undefined) delete variables[name];
      else variables[name] = String(value);
    }
    const envFile = folder.file("vars.env");
    writeEnvFile(envFile, variables);
    await applyMigrations({ root, config, folder, log: (text) => log.append(text) });
    if (abort?.aborted) throw new StopError("Stopped.");

    const server = new Server({ folder, log, url, port, show });
    server.spawn(
      [
        wranglerScript(),
        ...["dev", "-c", config, "--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0"],
        ...["--persist-to", folder.path, "--env-file", envFile, "--show-interactive-dev-session=false"],
      ],
      root,
    );
    await server.ready(abort);
    return server.handle();
  } catch (error) {
    folder.release();
    throw error;
  }
}

function begin(log, url) {
  try {
    log.append(`\n${startMark}${new Date().toISOString()} at ${url}\n`);
  } catch (error) {
    throw new StopError(`The log ${log.path} can't be written (${error.code}). Move it away, or set HEDDLE_STATE.`);
  }
}

class Server {
  #folder;
  #log;
  #url;
  #port;
  #show;
  #child;
  #leader;
  #members = [];
  #over = new AbortController();
  #expected = false;
  #end;
  #shown = true;

  constructor({ folder, log, url, port, show }) {
    this.#folder = folder;
    this.#log = log;
    this.#url = url;
    this.#port = port;
    this.#show = show;
  }

  spawn(args, cwd) {
    const child = spawn(toolchainNode(), args, {
      cwd,
      env: wranglerEnvironment(this.#folder.path),
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: Ctrl-C in the terminal reaches us only, and we stop it in order.
      detached: process.platform !== "win32",
      windowsHide: true,
    });
    this.#child = child;
    const filter = new ScreenFilter({
      log: (line) => this.#log.append(line),
      show: (text) => this.#shown && this.#show(text),
    });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => filter.write(text));
    this.#end = new Promise((resolve) => {
      child.once("error", (error) => resolve(`did not start: ${error.message}`));
      child.once("exit", (code, name) => resolve(name ? `ended by ${name}` : `ended with status ${code}`));
    }).then(async (reason) => {
      this.#over.abort();
      filter.end();
      await endFamily({ leader: this.#leader ?? { pid: 0, start: "" }, members: this.#members });
      this.#folder.release();
      return { expected: this.#expected, reason, tail: this.#log.tail(20, startMark) };
    });
    if (child.pid === undefined) return;
    this.#leader = identify(child.pid) ?? { pid: child.pid, start: "" };
    this.#refresh();
  }

  async ready(abort) {
    const deadline = Date.now() + readyMs;
    let [lacking, lackingSince] = [undefined, 0];
    while (!this.#over.signal.aborted && !abort?.aborted && Date.now() < deadline) {
      this.#refresh();
      const health = await this.#get("/health", 5000);
      if (health?.status === 200) {
        // The runtime came while it was asked: whoever kills us from now on must find it on record.
        this.#refresh();
        this.#watch();
        this.#sweep();
        return;
      }
      const said = lackOf(health);
      if (said !== lacking) [lacking, lackingSince] = [said, Date.now()];
      // What waiting can't mend is said at once.
      if (/HEDDLE_(PRICES|RULES|RETENTION_DAYS|SEATS|BILLING_\w+)|OTEL_/.test(lacking ?? "")) {
        await this.#stop();
        throw new StopError(lacking);
      }
      if (lacking !== undefined && Date.now() - lackingSince > lackingMs) {
        await this.#stop();
        throw new StopError(
          `The server runs, but is not ready: ${lacking}.\n${this.#folder.ifDamaged}\nIts log is ${this.#log.path}.`,
        );
      }
      await sleep(100, this.#over.signal);
    }
    if (abort?.aborted) {
      await this.#stop();
      throw new StopError("Stopped.");
    }
    const late = !this.#over.signal.aborted;
    const { reason, tail } = late ? await this.#stop() : await this.#end;
    throw new StopError(
      `The server did not become ready (${late ? `no 200 from ${this.#url}/health in ${readyMs / 1000} s` : reason}). The end of ${this.#log.path}:\n${tail}`,
    );
  }

  handle() {
    return {
      url: this.#url,
      port: this.#port,
      key: localKey,
      log: this.#log.path,
      exited: this.#end,
      pids: () => {
        this.#refresh();
        return this.#members.map((member) => member.pid);
      },
      stop: () => this.#stop(),
      kill: async () => {
        this.#expected = true;
        this.#refresh();
        const members = [...this.#members];
        for (const { pid } of members) signal(pid, "SIGKILL");
        const end = await this.#end;
        // The runtime holds the port until it is gone, a moment after its parent.
        for (
          let left = stopMs;
          left > 0 && members.some((member) => isSame(member, processTable()));
          left -= killedEveryMs
        ) {
          await sleep(killedEveryMs);
        }
        return end;
      },
    };
  }

  async #stop() {
    this.#expected = true;
    this.#shown = false; // calls that are cut off are no news now
    this.#refresh();
    if (!this.#over.signal.aborted) {
      signal(this.#child.pid, "SIGTERM");
      await sleep(stopMs, this.#over.signal); // ends with it: a timer left behind would hold up our own end
      if (!this.#over.signal.aborted) for (const { pid } of this.#members) signal(pid, "SIGKILL");
    }
    return this.#end;
  }

  /** The runtime's process is a grandchild, and a new one after every hot reload. */
  #refresh() {
    if (this.#leader === undefined || this.#over.signal.aborted) return;
    const members = familyOf(this.#leader.pid, processTable());
    const text = JSON.stringify(members);
    if (members.length === 0 || text === JSON.stringify(this.#members)) return;
    this.#members = members;
    this.#folder.record(this.#leader, members);
  }

  async #watch() {
    const cpu = () => cpuMsOf(this.#members);
    const silence = new Silence(Date.now(), cpu());
    for (;;) {
      const before = Date.now();
      await sleep(watchEveryMs, this.#over.signal);
      if (this.#over.signal.aborted) return;
      this.#refresh();
      // One that answers late has answered.
      const answer = await this.#get("/health", stuckMs);
      const now = Date.now();
      const why = silence.lasts(now, cpu());
      if (answer || now - before > watchEveryMs + stuckMs + lateMs) silence.broken(now, cpu());
      else if (why && !this.#over.signal.aborted) {
        this.#log.append(`${why}: ending the server\n`);
        for (const { pid } of this.#members) signal(pid, "SIGKILL");
        return;
      }
    }
  }

  async #sweep() {
    while (!this.#over.signal.aborted) {
      const reply = await this.#get("/cdn-cgi/local/scheduled", sweepEveryMs);
      if (reply && reply.status !== 200) this.#log.append(`the cron sweep answered ${reply.status}\n`);
      await sleep(sweepEveryMs, this.#over.signal);
    }
  }

  /** The reply's status and text; undefined when nothing answers in time. */
  async #get(path, timeoutMs) {
    try {
      const reply = await fetch(this.#url + path, { signal: AbortSignal.timeout(timeoutMs) });
      return { status: reply.status, text: await reply.text() };
    } catch {
      return undefined;
    }
  }
}

/** What a server that answers says that it lacks. */
function lackOf(health) {
  try {
    const { code, detail } = JSON.parse(health?.text ?? "");
    return code === "not_ready" ? detail : undefined;
  } catch {
    return undefined;
  }
}
