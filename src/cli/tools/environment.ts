/**
 * The environment of programs that carry out calls: this process's own, without any of Heddle's variables (the key, secrets
 * of a server that runs beside it, the lease of a task around it) and without the keys of model providers. What a model may
 * have written runs with it.
 */

const taken = /^(HEDDLE_|ANTHROPIC_API_KEY$|OPENAI_API_KEY$)/i;

export function bareEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !taken.test(name)));
}
