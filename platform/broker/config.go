package broker

import (
	"errors"
	"net"
	"net/url"
	"strings"

	"stoa/platform/config"
)

// Config is the section "nats" of the configuration.
type Config struct {
	URL      string    `koanf:"url" usage:"where NATS is, such as nats://broker:4222, several with commas; with nats.embedded, where the server of this process listens"`
	Embedded bool      `koanf:"embedded" usage:"run a NATS server with JetStream in this process, its store in nats in data.dir; without nats.url only this process reaches it"`
	Creds    string    `koanf:"creds" usage:"file of NATS credentials (JWT and key)"`
	TLS      TLSConfig `koanf:"tls"`
}

// TLSConfig is how connections to NATS are encrypted.
type TLSConfig struct {
	CA   string `koanf:"ca" usage:"file of certificates (PEM) to trust besides the machine's"`
	Cert string `koanf:"cert" usage:"file of the certificate (PEM) to show; with nats.embedded, that of the server"`
	Key  string `koanf:"key" usage:"file of its key (PEM)"`
}

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config { return Config{} }

// Used tells whether the configuration names a broker at all.
func (c *Config) Used() bool { return c.Embedded || c.URL != "" }

// Validate says what will not do.
func (c *Config) Validate() error {
	var bad []error
	for _, text := range c.urls() {
		// The URL may hold a password, so it is not repeated.
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "":
			bad = append(bad, config.BadValue("url", "is no URL such as nats://broker:4222"))
		case u.Scheme != "nats" && u.Scheme != "tls":
			bad = append(bad, config.BadValue("url", "begins with %q; it must be nats:// or tls://", u.Scheme+"://"))
		case c.Embedded && u.Port() == "":
			bad = append(bad, config.BadValue("url", "has no port for the server of this process to listen on, such as nats://127.0.0.1:4222"))
		}
	}
	if c.Embedded {
		if len(c.urls()) > 1 {
			bad = append(bad, config.BadValue("url", "names several servers; with nats.embedded it is where the one in this process listens"))
		}
		if c.Creds != "" {
			bad = append(bad, config.BadValue("creds", "is for a server elsewhere; who may connect to the one in this process is the user and password in nats.url"))
		}
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		bad = append(bad, config.BadValue("tls.key", "and nats.tls.cert go together: set both or neither"))
	}
	return errors.Join(bad...)
}

// urls gives the servers that nats.url names.
func (c *Config) urls() []string {
	var list []string
	for part := range strings.SplitSeq(c.URL, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// public tells whether others than this machine may reach a listener on host.
func public(host string) bool {
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
}
