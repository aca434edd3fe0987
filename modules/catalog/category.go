package catalog

// Category is a place in the tree that products are sorted into.
type Category struct {
	ID       string  `json:"id" format:"uuid"`
	Slug     string  `json:"slug" doc:"unique among its siblings"`
	Name     string  `json:"name"`
	ParentID *string `json:"parent_id" format:"uuid" doc:"null at the root"`
	Path     string  `json:"path" doc:"the slugs from the root, joined by /"`
}
