// Package replay is `stoa orders replay`: it has a running shop live through
// the invoice history of a real one. Stock codes become products, customers
// accounts, invoices carts and orders, cancellations cancellations and
// refunds; package history says by which rules.
//
// It is a client of the public API and nothing else: it knows no table and no
// service of the shop. What it has done stands in the shop itself: an order
// names its invoice in the second line of its address, a movement of stock and
// a refund in their reasons. So a replay that was cut short is finished by
// running it again, whenever that is; within a day, idempotency keys keep even
// two that overlap from doing anything twice.
//
// Only the wiring of orders imports it.
package replay
