package web

import (
	"errors"
	"net/netip"
	"net/url"
	"time"

	"stoa/platform/config"
)

// Config is the section "http" of the configuration.
type Config struct {
	Addr           string        `koanf:"addr" usage:"public listener, host:port"`
	ReadTimeout    time.Duration `koanf:"read_timeout" min:"1ms" usage:"how long a request may take to arrive, body included"`
	WriteTimeout   time.Duration `koanf:"write_timeout" min:"1ms" usage:"how long a request may take to be worked on, and its answer to be taken"`
	IdleTimeout    time.Duration `koanf:"idle_timeout" min:"1ms" usage:"how long a connection may wait for its next request"`
	DrainDelay     time.Duration `koanf:"drain_delay" usage:"how long to serve on while stopping, not ready, until no more requests are sent here"`
	BodyLimit      config.Bytes  `koanf:"body_limit" min:"1KiB" usage:"largest request body; imports have a limit of their own"`
	TrustedProxies []string      `koanf:"trusted_proxies" usage:"addresses and networks (CIDR) whose X-Forwarded-For is believed"`
	CORSOrigins    []string      `koanf:"cors_origins" usage:"origins whose pages may call from a browser, such as https://shop.example; * is any"`
}

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{
		Addr:           ":8080",
		ReadTimeout:    10 * time.Second,
		WriteTimeout:   30 * time.Second,
		IdleTimeout:    60 * time.Second,
		DrainDelay:     time.Second,
		BodyLimit:      config.MiB,
		TrustedProxies: []string{},
		CORSOrigins:    []string{},
	}
}

// Validate says what will not do.
func (c *Config) Validate() error {
	_, proxies := parseProxies(c.TrustedProxies)
	_, origins := parseOrigins(c.CORSOrigins)
	return errors.Join(proxies, origins)
}

func parseProxies(list []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, addrErr := netip.ParseAddr(text)
			if addrErr != nil {
				return nil, config.BadValue("trusted_proxies", "%q is neither an address nor a network such as 10.0.0.0/8", text)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		prefixes = append(prefixes, p.Masked())
	}
	return prefixes, nil
}

func parseOrigins(list []string) (map[string]bool, error) {
	origins := make(map[string]bool, len(list))
	for _, text := range list {
		u, err := url.Parse(text)
		if text != "*" && (err != nil || u.Host == "" || u.Scheme+"://"+u.Host != text) {
			return nil, config.BadValue("cors_origins", "%q is no origin such as https://shop.example", text)
		}
		origins[text] = true
	}
	return origins, nil
}

// OpsConfig is the section "ops" of the configuration.
type OpsConfig struct {
	Addr string `koanf:"addr" usage:"operations listener for metrics, profiles and verbose health, host:port; empty turns it off"`
}

// DefaultOpsConfig is what holds where the configuration says nothing.
func DefaultOpsConfig() OpsConfig { return OpsConfig{Addr: "127.0.0.1:9090"} }
