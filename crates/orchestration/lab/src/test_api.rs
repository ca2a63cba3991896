//! The test API: send a request through a running lab, and get the sealed journey of that request back.
//!
//! ```
//! use std::time::Duration;
//! use lab::{Lab, Options};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! let lab = Lab::start(Options::for_test("doc-traced")).await?;
//! let j = lab.post_cart_item("PROD-123", 1).await?;
//! assert_eq!(j.status, Some(201));
//! assert!(j.hop("ingress").own() > Duration::ZERO);
//! // The first request opens connections, the next one finds them open.
//! assert_eq!((j.counts.tls_handshakes, j.counts.dns_queries), (1, 1 + 3));
//! let again = lab.post_cart_item("PROD-123", 1).await?;
//! assert_eq!((again.counts.tls_handshakes, again.counts.dns_queries), (0, 0));
//! // And the response is there, too.
//! let cart = lab.get_cart().await?.json()?;
//! assert_eq!(cart["items"][0]["productId"], "PROD-123");
//! lab.stop().await;
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use anyhow::Context as _;
use journey::Journey;
use measure::browser::Request;
use measure::{self, BrowserThread, Measured, Series, TracedResponse, traced};

use crate::running::Lab;

impl Lab {
    /// Puts `quantity` of a product into the cart, as the chapter does, and waits for the journey. An
    /// error status is a response, too.
    ///
    /// # Errors
    /// As [`Lab::send`].
    pub async fn post_cart_item(&self, product: &str, quantity: u32) -> anyhow::Result<TracedResponse> {
        self.send(&Request::add_item(product, quantity)).await
    }

    /// Looks into the cart.
    ///
    /// # Errors
    /// As [`Lab::send`].
    pub async fn get_cart(&self) -> anyhow::Result<TracedResponse> {
        self.send(&Request::cart()).await
    }

    /// Sends any request, and waits until every hop has reported. Requests that are made at once are sent one
    /// after the other: two at the same time would measure each other.
    ///
    /// The first one is cold. Later ones find names cached and connections open, until
    /// [`Lab::forget`].
    ///
    /// # Errors
    /// There was no response, or a hop did not report: the error names it.
    pub async fn send(&self, request: &Request) -> anyhow::Result<TracedResponse> {
        traced::send(self.browser()?, self.collector(), &self.target()?, request)
            .await
            .with_context(|| format!("logs: {}", self.folder().join("logs").display()))
    }

    /// Waits, two seconds at most, until everything is done that a request has left to be done after its response
    /// ([`Journey::after`]); of what is not, [`Journey::outstanding`] says how much.
    ///
    /// # Errors
    /// The lab does not run.
    pub async fn settle(&self, journey: &mut Journey) -> anyhow::Result<()> {
        let roster = self.target()?.roster();
        self.collector().settle(journey, &roster, Duration::from_secs(2)).await;
        Ok(())
    }

    /// Makes the next request cold: the browser forgets names, sessions and connections, and the
    /// resolver's cache is emptied. The hops keep their connections among each other.
    ///
    /// # Errors
    /// The resolver's admin endpoint does not answer as it should.
    pub async fn forget(&self) -> anyhow::Result<()> {
        self.browser()?.forget().await?;
        measure::flush_resolver(&self.target()?).await
    }

    /// Measures many journeys of the chapter's request.
    ///
    /// # Errors
    /// Every request failed, or ten in a row: no response, or another than 201.
    pub async fn measure(&self, options: &measure::Options) -> anyhow::Result<Measured> {
        measure::run(&self.target()?, self.collector(), options, |_, _| {}).await
    }

    /// Measures `count` warm journeys of the chapter's request, by a browser of their own.
    ///
    /// # Errors
    /// As [`Lab::measure`].
    pub async fn measure_warm(&self, count: usize) -> anyhow::Result<Series> {
        let options = measure::Options { count, keep: count, cold: false, ..measure::Options::default() };
        self.measure(&options).await?.warm.context("warm journeys are measured")
    }

    /// Measures `count` cold journeys of the chapter's request.
    ///
    /// # Errors
    /// As [`Lab::measure`].
    pub async fn measure_cold(&self, count: usize) -> anyhow::Result<Series> {
        let options = measure::Options { count, keep: count, warm: false, ..measure::Options::default() };
        self.measure(&options).await?.cold.context("cold journeys are measured")
    }

    /// The lab's own browser; it begins without memory, at the first request.
    fn browser(&self) -> anyhow::Result<&BrowserThread> {
        if self.browser.get().is_none() {
            let browser = {
                let target = self.target()?;
                BrowserThread::start(target.browser, target.entry)?
            };
            // Of two that start at once one is dropped, unused.
            let _ = self.browser.set(browser);
        }
        self.browser.get().context("a browser that was just started")
    }
}
