//! A browser on a thread of its own: nothing else that a program does delays it.

use anyhow::Context as _;
use tokio::sync::{mpsc, oneshot};

use super::{Answer, Ask, Browser};
use crate::target::Target;

/// What the thread is told to do.
enum Order {
    Ask(Ask, oneshot::Sender<anyhow::Result<Answer>>),
    Forget(oneshot::Sender<anyhow::Result<()>>),
}

/// A [`Browser`] elsewhere. It does one thing after the other, in the order in which it is told; when
/// this value is dropped, it closes its connection and ends.
#[derive(Debug)]
pub struct Apart(mpsc::UnboundedSender<Order>);

impl Apart {
    /// Starts the thread, with a browser that has no memory.
    ///
    /// # Errors
    /// The lab's CA cannot be read, or there is no thread to be had.
    pub fn start(target: Target) -> anyhow::Result<Apart> {
        let mut browser = Browser::new(target)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (orders, mut next) = mpsc::unbounded_channel();
        let work = async move {
            while let Some(order) = next.recv().await {
                // Whoever no longer waits for the answer does not need it.
                match order {
                    Order::Ask(ask, reply) => drop(reply.send(browser.ask(&ask).await)),
                    Order::Forget(reply) => drop(reply.send(browser.forget())),
                }
            }
        };
        std::thread::Builder::new()
            .name("browser".into())
            .spawn(move || runtime.block_on(work))
            .context("start the browser's thread")?;
        Ok(Apart(orders))
    }

    /// As [`Browser::ask`].
    ///
    /// # Errors
    /// As there.
    pub async fn ask(&self, ask: &Ask) -> anyhow::Result<Answer> {
        self.tell(|reply| Order::Ask(ask.clone(), reply)).await
    }

    /// As [`Browser::forget`].
    ///
    /// # Errors
    /// As there.
    pub async fn forget(&self) -> anyhow::Result<()> {
        self.tell(Order::Forget).await
    }

    async fn tell<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<anyhow::Result<T>>) -> Order,
    ) -> anyhow::Result<T> {
        let (reply, answer) = oneshot::channel();
        self.0.send(order(reply)).ok().context("the browser's thread ended early")?;
        answer.await.context("the browser's thread ended early")?
    }
}
