package module

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stoa/modules/users/internal/service"
	"stoa/platform/errs"
	"stoa/platform/module"
)

// commands are the module's part of the command line.
func (m *wiring) commands(run module.Run) []*cobra.Command {
	return []*cobra.Command{m.createAdmin(run)}
}

func (m *wiring) createAdmin(run module.Run) *cobra.Command {
	var (
		email, name string
		fromStdin   bool
		promote     bool
	)
	cmd := &cobra.Command{
		Use:   "create-admin --email E [--name N] [--password-stdin]",
		Short: "Make an account of an administrator",
		Long: `Make an account of an administrator: the first one comes from here.

The password is asked for on a terminal, twice and without showing it, or is the
first line of standard input with --password-stdin.

Where the e-mail address has an account already, nothing is changed, unless
--promote is given: then that account is enabled and becomes an administrator's,
and its password stays as it is. It may be run while the shop serves.`,
		Example: "  stoa users create-admin --email admin@shop.example\n  stoa users create-admin --email admin@shop.example --password-stdin < password.txt",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), func(ctx context.Context) error {
				known, err := m.service.HasAccount(ctx, email)
				switch {
				case err != nil:
					return err
				case known && !promote:
					return fmt.Errorf("%s has an account already; to make it an administrator's, add --promote (its password stays as it is)", email)
				case known:
					return m.promote(ctx, cmd.OutOrStdout(), email)
				}
				password, err := askPassword(cmd, fromStdin)
				if err != nil {
					return err
				}
				made, err := m.service.CreateAdmin(ctx, service.RegisterRequest{Email: email, Name: name, Password: password})
				if err != nil {
					return plain(err)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is an administrator now (%s)\n", made.Email, made.ID)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&email, "email", "", "e-mail address to sign in with")
	cmd.Flags().StringVar(&name, "name", "Administrator", "name of the person")
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from the first line of standard input")
	cmd.Flags().BoolVar(&promote, "promote", false, "where the address has an account, make that an administrator's")
	_ = cmd.MarkFlagRequired("email") // fails only for a flag that there is not
	return cmd
}

func (m *wiring) promote(ctx context.Context, out io.Writer, email string) error {
	a, err := m.service.Promote(ctx, email)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "the account of %s is an administrator's now (%s); its password is as it was\n", a.Email, a.ID)
	return err
}

// plain says what is wrong with a request in the words of the command line.
func plain(err error) error {
	e, ok := errs.As(err)
	if !ok || !errors.Is(err, errs.ErrInvalid) {
		return err
	}
	var list []string
	for _, f := range e.Fields {
		list = append(list, strings.TrimPrefix(f.Location, "body.")+" "+f.Message)
	}
	return errors.New(strings.Join(list, "; "))
}

// maxLine is how much of standard input is read for a password, in bytes.
const maxLine = 4096

// askPassword gives the password from standard input or a terminal.
func askPassword(cmd *cobra.Command, fromStdin bool) (string, error) {
	if fromStdin {
		line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), maxLine)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", errors.New("there is no terminal to ask for the password on; use --password-stdin")
	}
	ask := func(prompt string) (string, error) {
		if _, err := fmt.Fprint(cmd.ErrOrStderr(), prompt); err != nil {
			return "", err
		}
		text, err := term.ReadPassword(int(in.Fd()))
		_, lineErr := fmt.Fprintln(cmd.ErrOrStderr())
		return string(text), errors.Join(err, lineErr)
	}
	password, err := ask("Password: ")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	again, err := ask("Again: ")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if password != again {
		return "", errors.New("the two are not the same")
	}
	return password, nil
}
