//! A panic: a bug of berth, or a library that met what it did not expect. It is one line of the log and ends a run in good
//! order, so that it can be told; a program that is aborted is started again and again, and nobody hears why.

use berth_plan::remote_text::bounded;
use futures_util::FutureExt;
use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo};

/// Panics of every thread and task go to the log, one line each.
pub(crate) fn log_them() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let place = info.location().map_or_else(String::new, |at| format!(", {}:{}", at.file(), at.line()));
        tracing::error!("{}{place}", sentence(info.payload()));
    }));
}

/// Awaits it; a panic in it becomes the sentence.
pub(crate) async fn caught<T>(doing: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(doing).catch_unwind().await.map_err(|panic| sentence(panic.as_ref()))
}

fn sentence(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "a bug of berth or of a library in it, please report it: {}",
        bounded(said.unwrap_or("no message"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaks(on: &str) {
        panic!("valid request: {on}");
    }

    #[tokio::test]
    async fn a_panic_is_a_sentence() {
        let number = caught(async { 7 }).await;
        assert_eq!(number, Ok(7));
        let page = "<html>\n502\n</html>";
        let why = caught(async { breaks(page) }).await.unwrap_err();
        assert_eq!(
            why,
            "a bug of berth or of a library in it, please report it: valid request: <html> 502 </html>"
        );
    }
}
