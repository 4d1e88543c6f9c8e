export {
  type Gateway,
  type GatewayOptions,
  type GatewayToken,
  type Hold,
  type ModelRequest,
  startGateway,
  type TokenOptions,
} from "./gateway.ts";
export type { Trouble } from "./line.ts";
export { costOf, listPrices, type ModelUsage, type Price, type Prices, priceOf } from "./prices.ts";
export type { UpstreamOptions } from "./upstream.ts";
