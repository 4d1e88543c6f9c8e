export {
  type Gateway,
  type GatewayOptions,
  type GatewayToken,
  type ModelRequest,
  startGateway,
} from "./gateway.ts";
export type { UpstreamOptions } from "./upstream.ts";
