package proxy

import (
	"time"

	"stoa/platform/directory"
)

// Config is the section "gateway" of the configuration.
type Config struct {
	Balancer        directory.PoolConfig `koanf:"balancer"`
	Retries         int                  `koanf:"retries" min:"0" max:"10" usage:"how often a GET or HEAD that an instance did not answer is tried again on another; other requests are only where nothing was sent"`
	ConnectTimeout  time.Duration        `koanf:"connect_timeout" min:"1ms" usage:"how long a connection to an instance may take to be made"`
	IdleTimeout     time.Duration        `koanf:"idle_timeout" min:"1ms" usage:"how long a connection to an instance is kept unused; less than http.idle_timeout of the modules"`
	Connections     int                  `koanf:"connections" min:"1" usage:"connections to one process at most; reads that are not streamed share two, or half as many as there are processors"`
	BreakerFailures int                  `koanf:"breaker_failures" min:"1" usage:"requests to a module that fail in a row before it is left alone for a while"`
	BreakerDelay    time.Duration        `koanf:"breaker_delay" min:"1ms" usage:"how long it is left alone; then as many requests try it"`
	Refresh         time.Duration        `koanf:"refresh" min:"10ms" usage:"how often modules are asked for their routes; they are too whenever an instance comes or goes"`
	Modules         []string             `koanf:"modules" usage:"modules whose routes must be known before this is ready; empty is any"`
}

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{
		Balancer: directory.DefaultPoolConfig(), Retries: 2,
		ConnectTimeout: time.Second, IdleTimeout: 15 * time.Second, Connections: 512,
		BreakerFailures: 20, BreakerDelay: time.Second,
		Refresh: 30 * time.Second, Modules: []string{},
	}
}

// Validate says what will not do.
func (c *Config) Validate() error { return c.Balancer.Validate() }
