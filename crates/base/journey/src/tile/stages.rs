//! Where the stages of a time budget begin and end. The client says so of its own steps, the roster of the hops.

use super::Tiler;
use crate::part::Stage;
use crate::semconv::attribute;
use crate::span::Span;

impl Tiler<'_> {
    /// The stage of one of the client's own steps: what its span says, else what its kind tells.
    pub(super) fn stage_of_step(&self, span: &Span) -> Stage {
        let said = span.text(attribute::STAGE).and_then(Stage::named);
        said.unwrap_or(match span.kind {
            kind if kind.is_outgoing() && span.is_datagram() => Stage::Dns,
            kind if kind.is_outgoing() => Stage::ToLoadBalancer,
            _ if self.stage > Stage::ToLoadBalancer => Stage::Response,
            _ => Stage::Browser,
        })
    }

    /// An opaque program has the request that the client sent: if the plan does not say where the stages begin, the
    /// edge is passed with it.
    pub(super) fn pass_edge(&mut self) {
        if self.stage == Stage::ToLoadBalancer {
            self.stage = Stage::ToPod;
        }
    }

    /// A request has arrived at a hop.
    pub(super) fn begin_stage(&mut self, hop: &str) {
        // A query or a handshake on the way to the request begins none of its stages.
        if self.stage < Stage::ToLoadBalancer {
            return;
        }
        match self.roster.named(hop).map(|known| known.begins) {
            // The application may be met again, for instance when the edge tries a second region.
            Some(Some(Stage::Application)) => self.stage = Stage::Application,
            Some(Some(stage)) => self.stage = self.stage.max(stage),
            Some(None) => {}
            // The plan says nothing of it: the first program that the client reached is the edge.
            None if self.stage == Stage::ToLoadBalancer => self.stage = Stage::ToPod,
            None => {}
        }
    }

    /// A hop has responded: the stage was `before` when the request arrived there, and `begun` from then on. Behind
    /// the outermost application everything is the response.
    pub(super) fn end_stage(&mut self, before: Stage, begun: Stage) {
        if begun == Stage::Application && before != Stage::Application {
            self.stage = Stage::Response;
        } else if self.stage != Stage::Response {
            self.stage = begun;
        }
    }
}
