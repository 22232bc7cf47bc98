"""The pages and dialogs. Rules: a screen asks the desk and shows view models; it never speaks to a socket."""
