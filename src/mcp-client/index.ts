export { callServerTool, listTools } from "./client.ts";
export { serverKey } from "./key.ts";
export { ServerTrouble } from "./trouble.ts";
