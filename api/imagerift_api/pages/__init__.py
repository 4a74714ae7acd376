"""The pages for people: /developers and /account, plain files without any outside host."""
