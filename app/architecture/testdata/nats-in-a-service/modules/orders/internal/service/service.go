package service

import (
	_ "github.com/nats-io/nats.go"
)
