package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stoa/modules/users"
	"stoa/modules/users/internal/store"
	"stoa/platform/auth"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/mail"
	"stoa/platform/ratelimit"
)

const (
	// resetFor is how long a reset token is good for.
	resetFor = time.Hour
	// mailTries is how often a mail is tried, mailPause how long lies between.
	mailTries = 5
	mailPause = time.Minute
	// mailWithin is how long the sender may take; less than mailPause, after
	// which somebody else may try.
	mailWithin = 30 * time.Second
	// mailAfter is how long after a request its mail is seen to, so that the work
	// on it, which only an account that exists gives, is not felt by who asked.
	mailAfter = time.Second
	// resetsEvery is how often MailResets looks without being woken.
	resetsEvery = 10 * time.Second
)

// ChangePasswordRequest changes the password of who is signed in.
type ChangePasswordRequest struct {
	Identity     auth.Identity
	Current, New string
	// Address is where the request comes from.
	Address string
}

// ChangePassword sets a new password and ends all other sessions.
// Errors: errs.ErrInvalid, users.ErrInvalidCredentials, users.ErrTooManyAttempts,
// users.ErrUserNotFound, password.ErrBusy.
func (s *Service) ChangePassword(ctx context.Context, r ChangePasswordRequest) error {
	var bad problems
	bad.password("body.new_password", r.New)
	if err := bad.error(); err != nil {
		return err
	}
	u, err := store.UserByID(ctx, s.DB.Read(), r.Identity.UserID)
	if err != nil {
		return err
	}
	if _, err := s.prove(ctx, attempt{account: u.EmailKey, address: r.Address, password: r.Current, hash: u.PasswordHash}); err != nil {
		return err
	}
	hash, err := s.hash(ctx, r.New)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := store.HoldUser(ctx, tx, u.ID); err != nil {
			return err
		}
		// Another change may have been faster; then the password that was proven
		// is no longer the account's.
		if ok, err := store.SetPassword(ctx, tx, u.ID, u.PasswordHash, hash, 0); err != nil || !ok {
			if err == nil {
				err = users.ErrInvalidCredentials
			}
			return err
		}
		if err := store.DeleteResetTokens(ctx, tx, u.ID); err != nil {
			return err
		}
		ended, err := store.DeleteSessions(ctx, tx, u.ID, r.Identity.SessionID)
		if err != nil {
			return err
		}
		list := make([]store.Revocation, len(ended))
		for i, id := range ended {
			list[i].SessionID = id
		}
		return s.revoke(ctx, tx, list...)
	})
}

// RequestReset has a reset token mailed to an account's address. It does the
// same, and takes the same time, whether there is such an account or not:
// everything else is left to MailResets. Errors: errs.ErrInvalid for what is no
// e-mail address.
func (s *Service) RequestReset(ctx context.Context, email string) error {
	var bad problems
	bad.email("body.email", &email)
	if err := bad.error(); err != nil {
		return err
	}
	key := emailKey(email)
	id := s.Clock.ID()
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		tx.AfterCommit(s.wakeMailer)
		return store.InsertResetRequest(ctx, tx, id, key, s.Clock.Now())
	})
}

func (s *Service) wakeMailer() {
	select {
	case s.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// ResetPassword sets a new password by a token that was mailed, and ends every
// session. The token is good once.
// Errors: errs.ErrInvalid, users.ErrResetNotFound, password.ErrBusy.
func (s *Service) ResetPassword(ctx context.Context, token, newPassword string) error {
	var bad problems
	bad.password("body.password", newPassword)
	if err := bad.error(); err != nil {
		return err
	}
	secret := hashSecret(token)
	// A hash is dear: not for a token that is none.
	owner, ok, err := store.ResetTokenUser(ctx, s.DB.Read(), secret, s.Clock.Now())
	if err != nil || !ok {
		if err == nil {
			err = users.ErrResetNotFound
		}
		return err
	}
	hash, err := s.hash(ctx, newPassword)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := store.HoldUser(ctx, tx, owner); err != nil {
			return err
		}
		id, ok, err := store.TakeResetToken(ctx, tx, secret, s.Clock.Now())
		if err != nil {
			return err
		}
		if !ok {
			return users.ErrResetNotFound
		}
		u, err := store.LockUser(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := store.SetPassword(ctx, tx, u.ID, u.PasswordHash, hash, 1); err != nil {
			return err
		}
		if err := store.DeleteResetTokens(ctx, tx, u.ID); err != nil {
			return err
		}
		if _, err := store.DeleteSessions(ctx, tx, u.ID, ""); err != nil {
			return err
		}
		return s.revoke(ctx, tx, store.Revocation{UserID: u.ID, Epoch: u.Epoch + 1})
	})
}

// MailResets mails reset tokens to those who asked, until ctx ends. What a
// crash or a sender's fault leaves undone is tried again.
func (s *Service) MailResets(ctx context.Context) error {
	for ctx.Err() == nil {
		again, err := s.mailReset(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "a password reset could not be mailed; it is tried again", "error", err)
		}
		if again {
			continue
		}
		timer := s.Clock.NewTimer(resetsEvery)
		select {
		case <-s.wake:
			_ = clock.Sleep(ctx, s.Clock, mailAfter) // ends early only with ctx
		case <-timer.C():
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// mailReset sees to the address whose request has been due longest. It reports
// whether there may be another.
func (s *Service) mailReset(ctx context.Context) (again bool, err error) {
	var (
		key      string
		attempts int
		due      bool
	)
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		now := s.Clock.Now()
		key, attempts, due, err = store.ClaimResetRequests(ctx, tx, now, now.Add(mailPause))
		return err
	})
	if err != nil || !due {
		return false, err
	}
	failed := s.mailToken(ctx, key, attempts)
	if failed != nil && attempts < mailTries {
		return true, failed
	}
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return store.DeleteResetRequests(ctx, tx, key)
	})
	if failed != nil {
		s.Log.ErrorContext(ctx, "a password reset could not be mailed, and is given up", "attempts", attempts, "error", failed)
	}
	return true, err
}

// mailToken makes a token for the account with an e-mail address and mails it,
// where there is such an account that is not disabled and has not been written
// to too often.
func (s *Service) mailToken(ctx context.Context, key string, attempts int) error {
	u, err := store.UserByEmail(ctx, s.DB.Read(), key)
	if errors.Is(err, users.ErrUserNotFound) || err == nil && u.Status != users.StatusActive {
		return nil
	}
	if err != nil {
		return err
	}
	if attempts == 1 && !s.Limits.Take(ratelimit.ResetAccount, key).Allowed {
		return nil
	}
	token, hash := s.secret()
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return store.InsertResetToken(ctx, tx, hash, u.ID, s.Clock.Now().Add(resetFor))
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, mailWithin)
	defer cancel()
	return s.Mail.Send(ctx, mail.Message{To: u.Email, Subject: "Set a new password", Text: s.resetText(token)})
}

func (s *Service) resetText(token string) string {
	how := "Your reset token:\n\n" + token
	if s.Config.ResetURL != "" {
		how = "Set it here:\n\n" + strings.ReplaceAll(s.Config.ResetURL, tokenPlace, token)
	}
	return fmt.Sprintf("Somebody, hopefully you, asked to set a new password for your account.\n\n%s\n\n"+
		"This is good once, for %d minutes. If it was not you, there is nothing to do: your password is as it was.\n", how, int(resetFor.Minutes()))
}
