"""One module per outside layout: each turns files of that layout into `base.Item`s, in a fixed order, with licence and citation."""
