//! The control plane: campaigns and their mails. It meets the gateway only in the store.
