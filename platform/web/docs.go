package web

import (
	"embed"

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
	page := newAsset("text/html; charset=utf-8", must(docsFiles.ReadFile("docs/index.html")))
	s.addAsset("/docs", page)
	for _, file := range []struct{ name, kind string }{
		{"swagger-ui-bundle.js", "text/javascript; charset=utf-8"},
		{"swagger-ui.css", "text/css; charset=utf-8"},
	} {
		s.addAsset("/docs/"+file.name, newPackedAsset(file.kind, must(docsFiles.ReadFile("docs/"+file.name+".gz"))))
	}
	s.addAsset("/docs/start.js", newAsset("text/javascript; charset=utf-8", must(docsFiles.ReadFile("docs/start.js"))))
}

func (s *Server) addAsset(path string, a *asset) {
	s.serveGet(path, func(r *request, c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentSecurityPolicy, docsPolicy)
		c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
		c.Set(fiber.HeaderCacheControl, "public, max-age=3600")
		return a.serve(r)
	})
}
