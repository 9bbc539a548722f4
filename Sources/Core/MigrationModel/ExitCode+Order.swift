extension ExitCode {
    /// The exit code of several results: the worst for the operator, in the order that a drain
    /// uses.
    ///
    /// A guest that may be nowhere comes first, then one whose memory or place is in doubt, then
    /// failures, then refusals.
    public static func worst(of codes: [ExitCode]) -> ExitCode {
        let order: [ExitCode] = [
            .inTransfer, .internal, .verification, .committed, .trust, .failedOnSource,
            .notConverged, .resources, .busy, .refused, .cancelled, .usage,
        ]
        return order.first(where: codes.contains) ?? .success
    }
}
