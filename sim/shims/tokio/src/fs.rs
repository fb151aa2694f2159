//! `tokio::fs`, its functions refused inside a simulated host.
//!
//! The types (`File`, `OpenOptions`, `DirBuilder`) are the real ones and are not refused here;
//! they need threads of the runtime's blocking pool, which its `on_thread_start` hook sees.

use std::fs::{Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use real_tokio::fs as real;
pub use real_tokio::fs::*;

macro_rules! refused_inside_hosts {
    ($($name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {$(
        #[doc = concat!("As `tokio::fs::", stringify!($name), "`.")]
        ///
        /// # Errors
        /// When the operating system fails it.
        ///
        /// # Panics
        /// Inside a simulated host.
        pub async fn $name($($argument: $type),*) -> io::Result<$output> {
            if crate::gate::inside_host() {
                squall_hook::refuse("a simulated host used the file system of the machine");
            }
            real::$name($($argument),*).await
        }
    )*};
}

refused_inside_hosts! {
    canonicalize(path: impl AsRef<Path>) -> PathBuf;
    copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> u64;
    create_dir(path: impl AsRef<Path>) -> ();
    create_dir_all(path: impl AsRef<Path>) -> ();
    hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> ();
    metadata(path: impl AsRef<Path>) -> Metadata;
    read(path: impl AsRef<Path>) -> Vec<u8>;
    read_dir(path: impl AsRef<Path>) -> ReadDir;
    read_link(path: impl AsRef<Path>) -> PathBuf;
    read_to_string(path: impl AsRef<Path>) -> String;
    remove_dir(path: impl AsRef<Path>) -> ();
    remove_dir_all(path: impl AsRef<Path>) -> ();
    remove_file(path: impl AsRef<Path>) -> ();
    rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> ();
    set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> ();
    symlink_metadata(path: impl AsRef<Path>) -> Metadata;
    try_exists(path: impl AsRef<Path>) -> bool;
    write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> ();
}
