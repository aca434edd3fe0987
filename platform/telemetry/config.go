package telemetry

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

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
	OTLPHeaders  string  `koanf:"otlp_headers" secret:"true" usage:"headers that the collector wants, such as a key: name=value, several with commas between, values percent-encoded"`
	SampleRatio  float64 `koanf:"sample_ratio" min:"0" max:"1" usage:"share of the traces begun here that is recorded, 0 to 1; one begun elsewhere is recorded if it is there"`
	// TracesPerSecond is how many are begun here a second at most.
	TracesPerSecond int `koanf:"traces_per_second" min:"0" usage:"how many of the traces begun here are recorded a second at most; 0 is no limit"`
}

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config { return Config{SampleRatio: 1, TracesPerSecond: 100} }

// Validate says what will not do.
func (c *Config) Validate() error {
	if _, err := headers(c.OTLPHeaders); err != nil {
		return config.BadValue("otlp_headers", "%v", err)
	}
	if c.OTLPEndpoint == "" {
		return nil
	}
	u, err := url.Parse(c.OTLPEndpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return config.BadValue("otlp_endpoint", "is no URL such as http://localhost:4318")
	}
	return nil
}

// headers reads headers as OTEL_EXPORTER_OTLP_HEADERS has them
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
func headers(text string) (http.Header, error) {
	h := http.Header{}
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		name, value, ok := strings.Cut(one, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || err != nil || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, errors.New("is no list such as api-key=123,tenant=shop")
		}
		h.Add(name, value)
	}
	return h, nil
}
