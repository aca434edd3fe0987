package rpc

import (
	"errors"
	"time"

	"stoa/platform/config"
	"stoa/platform/directory"
)

// What the configuration may say.
const (
	DriverHTTP = "http"
	DriverNATS = "nats"
)

// Config is the section "rpc" of the configuration.
type Config struct {
	Driver   string               `koanf:"driver" allowed:"http|nats" usage:"how calls reach modules that run elsewhere: straight to an instance, or through the broker"`
	Addr     string               `koanf:"addr" usage:"private listener for calls from other processes, host:port; port 0 is any"`
	Timeout  time.Duration        `koanf:"timeout" min:"1ms" usage:"how long a call may take where neither caller nor method says otherwise"`
	Retries  int                  `koanf:"retries" min:"0" max:"10" usage:"how often a call that failed on the way is tried again, at another instance where there is one"`
	MaxCalls int                  `koanf:"max_calls" min:"1" usage:"calls that this process answers at the same time; others are turned away"`
	Bulkhead int                  `koanf:"bulkhead" min:"1" usage:"calls to one module that may be under way from this process at the same time"`
	Breaker  BreakerConfig        `koanf:"breaker"`
	Balancer directory.PoolConfig `koanf:"balancer"`
}

// BreakerConfig says when calls to a module are given up before they are tried.
type BreakerConfig struct {
	Failures int           `koanf:"failures" min:"1" usage:"failures among the last calls to a module after which none is tried for a while"`
	Window   int           `koanf:"window" min:"1" usage:"how many of the last calls are looked at"`
	Pause    time.Duration `koanf:"pause" min:"1ms" usage:"how long none is tried; then a few are, to see"`
}

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{
		Driver: DriverHTTP, Addr: ":0", Timeout: 2 * time.Second, Retries: 2, MaxCalls: 1024, Bulkhead: 256,
		Breaker:  BreakerConfig{Failures: 10, Window: 20, Pause: 2 * time.Second},
		Balancer: directory.DefaultPoolConfig(),
	}
}

// Validate says what will not do.
func (c *Config) Validate() error {
	var bad []error
	if c.Breaker.Window < c.Breaker.Failures {
		bad = append(bad, config.BadValue("breaker.window", "must not be less than breaker.failures"))
	}
	if c.Balancer.EjectMax < c.Balancer.EjectFor {
		bad = append(bad, config.BadValue("balancer.eject_max", "must not be shorter than balancer.eject_for"))
	}
	return errors.Join(bad...)
}
