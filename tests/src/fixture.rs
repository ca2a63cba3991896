//! A lab of one's own: a [`lab::TestSlot`] and the lab in it, in the words of the suites.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use lab::{Lab, Options};

/// Free ports and an empty folder, before a lab moves in.
#[derive(Debug)]
pub struct TestSlot(lab::TestSlot);

impl TestSlot {
    /// See [`lab::TestSlot::take`].
    ///
    /// # Errors
    /// As there.
    pub async fn take(name: &str) -> anyhow::Result<TestSlot> {
        lab::TestSlot::take(name).await.map(TestSlot)
    }

    /// Starts a lab here.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub async fn start(self, options: Options) -> anyhow::Result<Fixture> {
        self.0.start(options).await.map(Fixture)
    }

    /// Gives the slot back and removes its folder: the test has succeeded without a [`Fixture`].
    pub fn release(self) {
        self.0.release();
    }
}

impl Deref for TestSlot {
    type Target = lab::TestSlot;

    fn deref(&self) -> &lab::TestSlot {
        &self.0
    }
}

/// A running lab in its slot. It is a [`Lab`] for everything but its end.
pub struct Fixture(Lab);

impl Fixture {
    /// The default stack.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub async fn start(name: &str) -> anyhow::Result<Fixture> {
        Lab::start(Options::for_test(name)).await.map(Fixture)
    }

    /// Where a hop answers.
    ///
    /// # Panics
    /// The plan has no such hop.
    pub fn listen(&self, hop: &str) -> SocketAddr {
        self.hop(hop).listen
    }

    /// Where a hop's admin endpoint is.
    ///
    /// # Panics
    /// The plan has no such hop, or it is external.
    pub fn admin(&self, hop: &str) -> SocketAddr {
        self.hop(hop).admin.expect("only external hops have no admin address")
    }

    fn hop(&self, name: &str) -> &lab::plan::Hop {
        self.plan().find(name).unwrap_or_else(|| panic!("the plan has no hop {name}"))
    }

    /// Stops the lab and removes its folder: the test has succeeded.
    pub async fn finish(self) {
        self.0.stop().await;
    }
}

impl Deref for Fixture {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.0
    }
}

impl DerefMut for Fixture {
    fn deref_mut(&mut self) -> &mut Lab {
        &mut self.0
    }
}
