//! A browser on a thread of its own: nothing else that a program does delays it.

use anyhow::Context as _;
use browser::{Browser, Config, Request, Response};
use tokio::sync::{mpsc, oneshot};

use crate::entry::Entry;

/// What the thread is told to do.
enum Command {
    Send(Request, oneshot::Sender<anyhow::Result<Response>>),
    Forget(oneshot::Sender<anyhow::Result<()>>),
}

/// A [`Browser`] on a thread of its own. It does one thing after the other, in the order in which it is told; when
/// this value is dropped, it closes its connection and ends.
#[derive(Debug)]
pub struct BrowserThread(mpsc::UnboundedSender<Command>);

impl BrowserThread {
    /// Starts the thread, with a browser that has no memory.
    ///
    /// # Errors
    /// The certificate authority cannot be read, or there is no thread to be had.
    pub fn start(config: Config, entry: Entry) -> anyhow::Result<BrowserThread> {
        let mut browser = Browser::new(config)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (commands, mut next) = mpsc::unbounded_channel();
        let work = async move {
            while let Some(command) = next.recv().await {
                // Whoever no longer waits for the outcome does not need it.
                match command {
                    Command::Send(request, done) => drop(done.send(browser.send(&request).await)),
                    Command::Forget(done) => drop(done.send(browser.forget())),
                }
            }
        };
        std::thread::Builder::new()
            .name("browser".into())
            .spawn(move || match entry.enter() {
                Ok(()) => runtime.block_on(work),
                Err(error) => tracing::error!(%error, "the browser's host cannot be entered"),
            })
            .context("start the browser's thread")?;
        Ok(BrowserThread(commands))
    }

    /// As [`Browser::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&self, request: &Request) -> anyhow::Result<Response> {
        self.run(|done| Command::Send(request.clone(), done)).await
    }

    /// As [`Browser::forget`].
    ///
    /// # Errors
    /// As there.
    pub async fn forget(&self) -> anyhow::Result<()> {
        self.run(Command::Forget).await
    }

    async fn run<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<anyhow::Result<T>>) -> Command,
    ) -> anyhow::Result<T> {
        let (done, outcome) = oneshot::channel();
        self.0.send(command(done)).ok().context("the browser's thread ended early")?;
        outcome.await.context("the browser's thread ended early")?
    }
}
