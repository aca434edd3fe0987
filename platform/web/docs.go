package web

import (
	"embed"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
)

// docsFiles are the page that shows the OpenAPI document: Swagger UI, as
// swagger-ui-dist 5.35.0 of npm has it, packed, and what starts it.
//
//go:embed docs
var docsFiles embed.FS

// docsPolicy lets the page load what this server has and nothing else.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// addDocs adds the page and what it is made of.
func (s *Server) addDocs() {
	const html, script, style = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
	s.addFile("/docs", "index.html", html)
	s.addFile("/docs/start.js", "start.js", script)
	s.addFile("/docs/swagger-ui-bundle.js", "swagger-ui-bundle.js.gz", script)
	s.addFile("/docs/swagger-ui.css", "swagger-ui.css.gz", style)
}

// addFile adds a file of the page.
func (s *Server) addFile(path, name, kind string) {
	load := sync.OnceValue(func() *asset {
		text := must(docsFiles.ReadFile("docs/" + name)) // it is linked in
		if strings.HasSuffix(name, ".gz") {
			return newPackedAsset(kind, text)
		}
		return newAsset(kind, text)
	})
	s.serveGet(path, func(r *request, c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentSecurityPolicy, docsPolicy)
		c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
		r.keep("public, max-age=3600")
		return load().serve(r)
	})
}
