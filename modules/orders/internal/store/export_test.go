package store

// ListQuery is what ListOrders asks.
var ListQuery = listQuery
