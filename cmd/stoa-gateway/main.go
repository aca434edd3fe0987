// Command stoa-gateway is the gateway alone: one address for a shop whose
// modules run as services.
package main

import (
	"stoa/app"
	"stoa/modules/gateway/module"
)

func main() { app.Main(module.New()) }
