// Package gateway is the contract of the gateway module: one address for a shop
// whose other modules run in processes of their own. It keeps no list of routes:
// each module describes its operations, and a request goes to an instance of the
// module that declared its path. Modules that run in the gateway's own process
// are served there, without a hop.
//
// What platform/web does for every request — strict HTTP, rate limits, tokens,
// body limits, draining — it does here as it does in one process, so that a
// client cannot tell the two apart. The module judges again: the gateway is no
// wall, and nothing in the shop trusts it with more than the client's address.
//
// Wirings and tests import this package. It has no service, no events and no
// database, and it never holds a rule of the shop.
package gateway

// Name is the module's name.
const Name = "gateway"
