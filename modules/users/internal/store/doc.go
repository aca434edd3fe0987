// Package store keeps accounts, sessions and addresses. It is the only place
// that knows the module's tables. Only the service imports it; it holds no
// rule but those that must hold when two callers come at once.
package store
