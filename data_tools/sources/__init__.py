"""One module per outside layout: it turns the files into `base.Item`s in a fixed order, with licence and citation."""
