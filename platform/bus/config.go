package bus

import (
	"errors"
	"time"

	"stoa/platform/config"
)

// What the configuration may say.
const (
	DriverInProcess = "inproc"
	DriverNATS      = "nats"
)

// Config is the section "bus" of the configuration. All but the driver is for
// the bus over NATS.
type Config struct {
	Driver   string        `koanf:"driver" allowed:"inproc|nats" usage:"what carries events between modules: this process, or NATS JetStream"`
	Replicas int           `koanf:"replicas" min:"1" max:"5" usage:"on how many NATS servers of a cluster events are kept; an odd number"`
	MaxAge   time.Duration `koanf:"max_age" min:"1h" usage:"how long NATS keeps events for modules that do not run; no longer than outbox.retention"`
	MaxBytes config.Bytes  `koanf:"max_bytes" usage:"how much NATS keeps before it takes no more events, which then wait in their outboxes; 0B is what the server allows"`
}

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{Driver: DriverInProcess, Replicas: 1, MaxAge: 7 * 24 * time.Hour}
}

// Validate says what will not do.
func (c *Config) Validate() error {
	var bad []error
	if c.Replicas%2 == 0 {
		bad = append(bad, config.BadValue("replicas", "is %d; a majority needs an odd number: 1, 3 or 5", c.Replicas))
	}
	if c.MaxBytes != 0 && c.MaxBytes < config.MiB {
		bad = append(bad, config.BadValue("max_bytes", "is %s; use 0B for no limit, or at least 1MiB", c.MaxBytes))
	}
	return errors.Join(bad...)
}
