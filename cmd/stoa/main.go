// Command stoa is the whole shop in one binary: every module, run together or
// any subset of them, and the command line.
package main

import (
	"stoa/app"
	catalog "stoa/modules/catalog/module"
	gateway "stoa/modules/gateway/module"
	orders "stoa/modules/orders/module"
	payments "stoa/modules/payments/module"
	users "stoa/modules/users/module"
	"stoa/platform/module"
)

func main() { app.Main(modules()...) }

// modules are those that this binary links.
func modules() []module.Module {
	return []module.Module{users.New(), catalog.New(), payments.New(), orders.New(), gateway.New()}
}
