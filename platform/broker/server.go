package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startWithin bounds how long the server may take to be ready, most of which is
// reading its store; startLook is how often it is asked.
const startWithin, startLook = 30 * time.Second, 100 * time.Millisecond

// startServer runs a NATS server in this process. Its JetStream syncs every
// write to disk before it acknowledges: it may be the only broker there is.
func startServer(c Config, dataDir string, log *slog.Logger) (*server.Server, error) {
	o := &server.Options{
		ServerName: "stoa",
		JetStream:  true,
		StoreDir:   filepath.Join(dataDir, "nats"),
		SyncAlways: true,
		DontListen: c.URL == "",
		NoSigs:     true,
	}
	if c.URL != "" {
		if err := listenAt(o, c, log); err != nil {
			return nil, err
		}
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("NATS server: %w", err)
	}
	told := &serverLog{log: log, fatal: make(chan error, 1)}
	s.SetLoggerV2(told, false, false, false)
	s.Start()
	for range startWithin / startLook {
		if s.ReadyForConnections(startLook) {
			return s, nil
		}
		select {
		case err := <-told.fatal:
			stopServer(s)
			return nil, fmt.Errorf("NATS server: %w", err)
		default:
		}
	}
	stopServer(s)
	return nil, fmt.Errorf("NATS server was not ready within %s", startWithin)
}

// listenAt has the server listen where nats.url says, for those who know the
// user and password in it.
func listenAt(o *server.Options, c Config, log *slog.Logger) error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return errors.New("nats.url is no URL")
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return errors.New("nats.url has no port to listen on")
	}
	if o.Host, o.Port = u.Hostname(), port; port == 0 {
		o.Port = server.RANDOM_PORT
	}
	o.Username = u.User.Username()
	o.Password, _ = u.User.Password()
	if o.Username != "" && o.Password == "" {
		o.Authorization, o.Username = o.Username, "" // nats://token@host
	}
	if c.TLS.Cert != "" {
		if o.TLSConfig, err = server.GenTLSConfig(&server.TLSConfigOpts{
			CertFile: c.TLS.Cert, KeyFile: c.TLS.Key, CaFile: c.TLS.CA, Verify: c.TLS.CA != "",
		}); err != nil {
			return fmt.Errorf("certificate of the NATS server: %w", err)
		}
		o.TLS = true
	}
	if public(o.Host) && u.User == nil && !(c.TLS.Cert != "" && c.TLS.CA != "") {
		log.Warn("whoever reaches this NATS server may use it; give nats.url a user and a password", "host", o.Host, "port", o.Port)
	}
	return nil
}

// ownURL is what this process connects to its own server with: its credentials,
// and no address, because the connection does not leave the process.
func ownURL(c Config) string {
	own := url.URL{Scheme: "nats", Host: "127.0.0.1"}
	if u, err := url.Parse(c.URL); err == nil {
		own.User = u.User
	}
	return own.String()
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// serverLog puts what the server says into the log.
type serverLog struct {
	log   *slog.Logger
	fatal chan error
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Warnf(format string, v ...any)   { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l *serverLog) Errorf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l *serverLog) Debugf(string, ...any)           {}
func (l *serverLog) Tracef(string, ...any)           {}

// Fatalf does not end the process: Open reports it.
func (l *serverLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Errorf(format, v...):
	default: // the first says why
	}
}
