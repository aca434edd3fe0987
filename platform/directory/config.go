package directory

import (
	"errors"
	"time"

	"stoa/platform/config"
)

// What the configuration may say.
const (
	DriverNATS   = "nats"
	DriverStatic = "static"
	DriverDNS    = "dns"

	RoundRobin       = "round_robin"
	Weighted         = "weighted"
	LeastConnections = "least_connections"
	Hash             = "hash"
)

// Config is the section "directory" of the configuration.
type Config struct {
	Driver  string              `koanf:"driver" allowed:"nats|static|dns" usage:"how instances of modules are found: announced over NATS, listed here, or by name"`
	Static  map[string][]string `koanf:"static" usage:"instances by module, for the driver static: host:port of the private listener, then /port of the public one and *weight where they matter, such as 10.0.0.7:7000/8080*2; auth is found where users is, and listed too"`
	DNS     map[string]string   `koanf:"dns" usage:"name by module, for the driver dns: host:port[/port] with an address for each instance, or an SRV name that begins with _, such as _rpc._tcp.catalog.internal[/port]"`
	Refresh time.Duration       `koanf:"refresh" min:"100ms" max:"1m" usage:"how often instances are asked whether they are still there, or names are looked up; one that does not answer five times is gone"`
	Host    string              `koanf:"host" usage:"host under which other processes reach this one; empty is the address that leads to the broker"`
	Weight  int                 `koanf:"weight" min:"1" max:"1000" usage:"share of the work that this process takes in relation to others"`
}

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{
		Driver: DriverNATS, Static: map[string][]string{}, DNS: map[string]string{},
		Refresh: time.Second, Weight: 1,
	}
}

// Validate says what will not do.
func (c *Config) Validate() error {
	var bad []error
	for module, list := range c.Static {
		for _, text := range list {
			if _, err := parseAddress(text); err != nil {
				bad = append(bad, config.BadValue("static."+module, "%v", err))
			}
		}
	}
	for module, text := range c.DNS {
		if _, err := parseName(text); err != nil {
			bad = append(bad, config.BadValue("dns."+module, "%v", err))
		}
	}
	return errors.Join(bad...)
}

// PoolConfig says how a Pool chooses. It stands in the sections of those that
// have one.
type PoolConfig struct {
	Policy   string        `koanf:"policy" allowed:"round_robin|weighted|least_connections|hash" usage:"who is next: each in turn, in turn by weight, the one with the least to do, or the same for the same key"`
	Failures int           `koanf:"failures" min:"1" usage:"failures in a row after which an instance is left out for a while"`
	EjectFor time.Duration `koanf:"eject_for" min:"1ms" usage:"how long it is left out at first; each time it fails again twice as long"`
	EjectMax time.Duration `koanf:"eject_max" min:"1ms" usage:"longest time that it is left out"`
}

// DefaultPoolConfig is what holds where the configuration says nothing.
func DefaultPoolConfig() PoolConfig {
	return PoolConfig{Policy: LeastConnections, Failures: 3, EjectFor: time.Second, EjectMax: 30 * time.Second}
}

// Validate says what will not do.
func (c *PoolConfig) Validate() error {
	if c.EjectMax < c.EjectFor {
		return config.BadValue("eject_max", "must not be shorter than eject_for")
	}
	return nil
}
