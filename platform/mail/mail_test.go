package mail_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	stdmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stoa/configs"
	"stoa/platform/clock"
	"stoa/platform/config"
	"stoa/platform/config/configtest"
	"stoa/platform/errs"
	"stoa/platform/mail"
	"stoa/platform/mail/mailtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	now   = time.Date(2026, 11, 21, 12, 30, 0, 0, time.UTC)
	hello = mail.Message{To: "ann@example.com", Subject: "Hello", Text: "Dear Ann,\n\nwelcome.\n"}
)

func TestTheReferenceDocumentsTheSection(t *testing.T) {
	t.Parallel()
	cfg := mail.DefaultConfig()
	configtest.Sections(t, configs.Reference, config.Section{Key: "mail", Target: &cfg})
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	load := func(set ...string) error {
		cfg := mail.DefaultConfig()
		_, err := config.Load(config.Sources{Set: set}, []config.Section{{Key: "mail", Target: &cfg}})
		return err
	}
	require.NoError(t, load())
	require.NoError(t, load("mail.driver=smtp", "mail.smtp.host=mx.example", "mail.smtp.username=u", "mail.smtp.password=p"))
	require.ErrorContains(t, load("mail.driver=smtp"), "mail.smtp.host: is empty")
	require.ErrorContains(t, load("mail.driver=smtp", "mail.smtp.host=mx", "mail.from=nobody"), "--set mail.from: \"nobody\" is no sender")
	require.ErrorContains(t, load("mail.driver=smtp", "mail.smtp.host=mx", "mail.smtp.tls=none", "mail.smtp.username=u"), "in the clear")
	require.ErrorContains(t, load("mail.smtp.port=0"), "from 1 to 65535")
	require.ErrorContains(t, load("mail.driver=carrier-pigeon"), "allowed: log, smtp")
}

// newSMTP gives a sender for a server, with what change makes of its settings.
func newSMTP(t *testing.T, s *server, change func(*mail.SMTPConfig)) mail.Sender {
	t.Helper()
	cfg := mail.DefaultConfig()
	cfg.Driver, cfg.From = mail.DriverSMTP, "Stoa Grüße <shop@example.com>"
	cfg.SMTP.Host, cfg.SMTP.Port, cfg.SMTP.TLS = "127.0.0.1", s.port(), mail.TLSNone
	if change != nil {
		change(&cfg.SMTP)
	}
	sender, err := mail.New(cfg, clock.NewFake(now, 1), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return sender
}

func TestAMessageArrivesAsItWasWritten(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	long := strings.Repeat("long ", 500)
	want := mail.Message{To: "ann@example.com", Subject: "Grüße aus 東京", Text: "Dear Ann,\n.\n..\nbye = 1\n" + long + "\nGrüße, 東京 🙂\n"}
	require.NoError(t, newSMTP(t, s, nil).Send(t.Context(), want))

	require.Len(t, s.received(), 1)
	got := s.received()[0]
	require.Contains(t, got.from, "<shop@example.com>")
	require.Contains(t, got.to, "<ann@example.com>")
	message, err := stdmail.ReadMessage(strings.NewReader(got.data))
	require.NoError(t, err)
	subject, err := new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, want.Subject, subject)
	from, err := message.Header.AddressList("From")
	require.NoError(t, err)
	require.Equal(t, []*stdmail.Address{{Name: "Stoa Grüße", Address: "shop@example.com"}}, from)
	require.Equal(t, "<ann@example.com>", message.Header.Get("To"))
	date, err := message.Header.Date()
	require.NoError(t, err)
	require.True(t, now.Equal(date), "the date is the clock's")
	require.Regexp(t, `^<[0-9a-f-]{36}@example\.com>$`, message.Header.Get("Message-Id"))
	require.Equal(t, "text/plain; charset=UTF-8", message.Header.Get("Content-Type"))
	require.Equal(t, "quoted-printable", message.Header.Get("Content-Transfer-Encoding"))
	require.Equal(t, "auto-generated", message.Header.Get("Auto-Submitted"))
	require.Empty(t, message.Header.Get("User-Agent"))
	body, err := io.ReadAll(quotedprintable.NewReader(message.Body))
	require.NoError(t, err)
	require.Equal(t, want.Text, strings.TrimSuffix(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n")+"\n")
	for line := range strings.Lines(got.data) {
		require.LessOrEqual(t, len(line), 1000, "RFC 5321 §4.5.3.1.6")
	}
}

func TestHeadersCannotBeInjected(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	sender := newSMTP(t, s, nil)
	require.NoError(t, sender.Send(t.Context(), mail.Message{
		To: "ann@example.com", Subject: "Hi\r\nBcc: eve@example.com\r\n\r\nforged\x00", Text: "a\r\n.\r\nMAIL FROM:<eve@example.com>\r\nb\n.\nc\r.\rd",
	}))
	require.Len(t, s.received(), 1)
	message, err := stdmail.ReadMessage(strings.NewReader(s.received()[0].data))
	require.NoError(t, err)
	require.Empty(t, message.Header.Get("Bcc"))
	require.Equal(t, "Hi  Bcc: eve@example.com    forged", strings.TrimRight(message.Header.Get("Subject"), " "))

	for _, to := range []string{
		"", "ann", "ann@", "Ann <ann@example.com>", "<ann@example.com>", "ann@example.com, eve@example.com", "ann@example.com\r\nRCPT TO:<eve@example.com>",
		"ann@example.com\r\nBcc: eve@example.com", "\"a\r\nb\"@example.com", "ann@example.com>\r\nDATA", "ann@exa mple.com", "ann@example.com (Ann)", strings.Repeat("a", 1<<20),
	} {
		err := sender.Send(t.Context(), mail.Message{To: to, Subject: "x", Text: "x"})
		require.ErrorIs(t, err, mail.ErrBadAddress, to)
		require.Less(t, len(err.Error()), 1000)
	}
	require.Len(t, s.received(), 1)
}

func TestMailIsEncrypted(t *testing.T) {
	t.Parallel()
	for mode, s := range map[string]*server{
		mail.TLSStartTLS: {starttls: true, auth: true},
		mail.TLSImplicit: {implicit: true, auth: true},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s.start(t)
			err := newSMTP(t, s, func(c *mail.SMTPConfig) {
				c.TLS, c.CAFile, c.Username, c.Password = mode, s.caFile, "shop", "hunter2"
			}).Send(t.Context(), hello)
			require.NoError(t, err)
			require.Len(t, s.received(), 1)
			require.True(t, s.received()[0].encrypted)
			require.Equal(t, "\x00shop\x00hunter2", s.received()[0].password)

			err = newSMTP(t, s, func(c *mail.SMTPConfig) { c.TLS = mode }).Send(t.Context(), hello)
			require.ErrorIs(t, err, mail.ErrNotSent, "nobody vouches for its certificate")
			require.ErrorContains(t, err, "certificate")
		})
	}
}

func TestNothingIsSentWhereEncryptionIsMissing(t *testing.T) {
	t.Parallel()
	s := (&server{auth: true}).start(t)
	err := newSMTP(t, s, func(c *mail.SMTPConfig) {
		c.TLS, c.Username, c.Password = mail.TLSStartTLS, "shop", "hunter2"
	}).Send(t.Context(), hello)
	require.ErrorIs(t, err, mail.ErrNotSent)
	require.Empty(t, s.received())
	require.NotContains(t, err.Error(), "hunter2")
}

func TestRefusalsAreToldApart(t *testing.T) {
	t.Parallel()
	for answer, want := range map[[2]string]*errs.Error{
		{"RCPT", "550 5.1.1 no such user"}: mail.ErrRejected,
		{".", "554 5.7.1 looks like spam"}: mail.ErrRejected,
		{"RCPT", "450 4.2.1 try later"}:    mail.ErrNotSent,
		{".", "451 4.3.0 try later"}:       mail.ErrNotSent,
		{"MAIL", "530 5.7.0 sign in"}:      mail.ErrNotSent,
		{"DATA", "421 too busy"}:           mail.ErrNotSent,
	} {
		s := (&server{answers: map[string]string{answer[0]: answer[1]}}).start(t)
		err := newSMTP(t, s, nil).Send(t.Context(), hello)
		require.ErrorIs(t, err, want, answer)
		require.Equal(t, want == mail.ErrNotSent, errs.KindOf(err).Temporary())
		require.Empty(t, s.received())
	}
}

func TestAWrongPasswordCanBePutRight(t *testing.T) {
	t.Parallel()
	s := (&server{starttls: true, auth: true, answers: map[string]string{"AUTH": "535 5.7.8 wrong"}}).start(t)
	err := newSMTP(t, s, func(c *mail.SMTPConfig) {
		c.TLS, c.CAFile, c.Username, c.Password = mail.TLSStartTLS, s.caFile, "shop", "hunter2"
	}).Send(t.Context(), hello)
	require.ErrorIs(t, err, mail.ErrNotSent)
}

func TestWhatGoesWrongAfterwardsDoesNotMatter(t *testing.T) {
	t.Parallel()
	s := (&server{answers: map[string]string{"RSET": "500 what?", "QUIT": "500 no"}}).start(t)
	require.NoError(t, newSMTP(t, s, nil).Send(t.Context(), hello))
	require.Len(t, s.received(), 1)
}

func TestAServerThatIsAwayIsTemporary(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	require.NoError(t, s.listener.Close())
	require.ErrorIs(t, newSMTP(t, s, nil).Send(t.Context(), hello), mail.ErrNotSent)
}

func TestASilentServerIsLeftInTime(t *testing.T) {
	t.Parallel()
	for _, implicit := range []bool{false, true} {
		s := (&server{silent: true}).start(t)
		sender := newSMTP(t, s, func(c *mail.SMTPConfig) {
			c.Timeout = time.Hour
			if implicit {
				c.TLS = mail.TLSImplicit
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := sender.Send(ctx, hello)
		require.ErrorIs(t, err, mail.ErrNotSent)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		sender = newSMTP(t, s, func(c *mail.SMTPConfig) { c.Timeout = 50 * time.Millisecond })
		require.ErrorIs(t, sender.Send(t.Context(), hello), mail.ErrNotSent)
	}
}

func TestManySendAtOnce(t *testing.T) {
	t.Parallel()
	s := (&server{}).start(t)
	sender := newSMTP(t, s, nil)
	failed := make(chan error)
	for i := range 20 {
		go func() {
			failed <- sender.Send(t.Context(), mail.Message{To: fmt.Sprintf("user%d@example.com", i), Subject: "Hi", Text: "x"})
		}()
	}
	for range 20 {
		require.NoError(t, <-failed)
	}
	require.Len(t, s.received(), 20)
}

func TestBadCertificateFilesAreNamed(t *testing.T) {
	t.Parallel()
	cfg := mail.DefaultConfig()
	cfg.SMTP.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	_, err := mail.NewSMTP(cfg, clock.System())
	require.ErrorContains(t, err, "mail.smtp.ca_file")
	require.NoError(t, os.WriteFile(cfg.SMTP.CAFile, []byte("nothing"), 0o600))
	_, err = mail.NewSMTP(cfg, clock.System())
	require.ErrorContains(t, err, "holds no certificate")
	cfg.From = "nobody"
	_, err = mail.NewSMTP(cfg, clock.System())
	require.ErrorContains(t, err, "mail.from")
}

func TestTheLogHoldsAMessageInOneRecord(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	sender, err := mail.New(mail.DefaultConfig(), clock.System(), slog.New(slog.NewJSONHandler(&out, nil)))
	require.NoError(t, err)
	require.NoError(t, sender.Send(t.Context(), hello))
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	var record map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &record))
	delete(record, "time")
	require.Equal(t, map[string]any{"level": "INFO", "msg": "mail", "to": hello.To, "subject": hello.Subject, "text": hello.Text}, record)
	require.ErrorIs(t, sender.Send(t.Context(), mail.Message{To: "nobody"}), mail.ErrBadAddress)
}

func TestTheOutboxKeepsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	var o mailtest.Outbox
	require.Empty(t, o.Messages())
	go func() {
		_ = o.Send(context.Background(), hello)
		_ = o.Send(context.Background(), mail.Message{To: "bob@example.com"})
	}()
	got, err := o.Await(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, []mail.Message{hello, {To: "bob@example.com"}}, got)
	require.Equal(t, []mail.Message{hello}, o.To(hello.To))

	gone := errors.New("gone")
	o.Fail(gone)
	require.ErrorIs(t, o.Send(t.Context(), hello), gone)
	o.Fail(nil)
	require.ErrorIs(t, o.Send(t.Context(), mail.Message{To: "nobody"}), mail.ErrBadAddress)
	require.Len(t, o.Messages(), 2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = o.Await(ctx, 3)
	require.ErrorIs(t, err, context.Canceled)
}
