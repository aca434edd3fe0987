package telemetry

import (
	"net/url"

	"stoa/platform/config"
)

// LogConfig is the section "log" of the configuration.
type LogConfig struct {
	Level  string `koanf:"level" allowed:"debug|info|warn|error" usage:"least important record that is written"`
	Format string `koanf:"format" allowed:"auto|text|json" usage:"auto is text on a terminal and json elsewhere"`
}

// DefaultLogConfig is what holds where the configuration says nothing.
func DefaultLogConfig() LogConfig { return LogConfig{Level: "info", Format: "auto"} }

// Config is the section "telemetry" of the configuration.
type Config struct {
	OTLPEndpoint string  `koanf:"otlp_endpoint" usage:"OpenTelemetry collector that takes traces by OTLP over HTTP, such as http://localhost:4318; empty turns traces off"`
	SampleRatio  float64 `koanf:"sample_ratio" min:"0" max:"1" usage:"share of the traces begun here that is recorded, 0 to 1; one begun elsewhere is recorded if it is there"`
}

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config { return Config{SampleRatio: 1} }

// Validate says what will not do.
func (c *Config) Validate() error {
	if c.OTLPEndpoint == "" {
		return nil
	}
	u, err := url.Parse(c.OTLPEndpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return config.BadValue("otlp_endpoint", "is no URL such as http://localhost:4318")
	}
	return nil
}
