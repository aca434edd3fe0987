// Package limit holds what the shop is measured against: the least that anybody
// could do who answers the same bytes or stores as much. Each limit runs as a
// process of its own, so that it competes for the machine as the shop does.
//
// Only app/bench imports it. It shares no code with the shop but libraries.
package limit

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/proxy"
)

// Listening begins the line in which a limit says where it listens.
const Listening = "listening on "

// ServeHTTP answers GET /<name> with the bytes of the file of that name in dir,
// as a bare Fiber handler does, and takes whatever is posted as a collector of
// traces does. It says on out where it listens, and serves until ctx ends.
func ServeHTTP(ctx context.Context, dir string, out io.Writer) error {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		body, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return err
		}
		app.Get("/"+f.Name(), func(c *fiber.Ctx) error {
			c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
			return c.Send(body)
		})
	}
	app.Post("/*", func(c *fiber.Ctx) error { return c.SendStatus(fiber.StatusOK) })
	return serve(ctx, app, out)
}

// ServeProxy passes everything on to another limit, as Fiber's own proxy does.
func ServeProxy(ctx context.Context, to string, out io.Writer) error {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Use(proxy.Balancer(proxy.Config{Servers: []string{"http://" + to}}))
	return serve(ctx, app, out)
}

// serve says where an app listens, and serves until ctx ends.
func serve(ctx context.Context, app *fiber.App, out io.Writer) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, Listening+l.Addr().String()); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = app.Shutdown() })()
	return app.Listener(l)
}
