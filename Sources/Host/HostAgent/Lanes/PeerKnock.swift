import FrameTransport
import Handoff
import LinuxSystem
import MigrationModel
import SSHTransport
import WireProtocol

/// Logs in to a peer as this host's lanes would, and leaves again.
struct PeerKnock: Sendable {
    let root: HostRoot

    /// Knocks at the peer's gate.
    /// - Returns: what the gate says.
    /// - Throws: as `SSHSession`; `E-GATE` where something else answers than livemig's gate.
    func knock(at peer: StartOutgoing.Peer) throws(LivemigError) -> GateOpened {
        let endpoint = try LaneOpener.endpoint(of: peer, root)
        let command = try RemoteCommand(
            LaneGate.Purpose.knock.rawValue.split(separator: " ").map(String.init))
        let pump = try SSHPump(to: endpoint, running: command, retries: 1)
        let connection = try LaneConnection(socket: try pump.connect())
        defer {
            connection.end()
            pump.stop()
        }
        do throws(LivemigError) {
            return try listen(connection, at: peer.name)
        } catch {
            throw GateFailure.explain(error, pump, peer.name)
        }
    }

    private func listen(
        _ connection: LaneConnection, at place: String
    ) throws(LivemigError) -> GateOpened {
        var channel = FrameChannel(
            try connection.channel(stall: HandoffLimits.linkSilence, at: place), at: place)
        try channel.sendBanner(.agent)
        guard try channel.receiveBanner().role == .lane else { throw GateFailure.foreign(place) }
        guard let frame = try channel.receive() else {
            throw LivemigError(.disconnected, "the gate ended the connection", at: place)
        }
        let answer: GateOpened = try frame.decode()
        guard !answer.names.isEmpty else { throw GateFailure.foreign(place) }
        return answer
    }
}

/// What a source tells its operator when a peer's key does not lead to livemig's gate.
enum GateFailure {
    /// How long a command whose output is not a greeting may take to end.
    private static let lastWords: Duration = .seconds(1)

    /// A greeting that did not come is best explained by how the remote command ended.
    static func explain(_ error: LivemigError, _ pump: SSHPump, _ peer: String) -> LivemigError {
        guard [.hello, .disconnected].contains(error.code) else { return error }
        guard let exit = pump.exit(by: .now + lastWords) else { return greeted(error) }
        return explain(error, exit, peer)
    }

    /// - Parameter exit: how the remote command ended.
    static func explain(_ error: LivemigError, _ exit: SSHExit, _ peer: String) -> LivemigError {
        let words = exit.lastError
        if let stated = stated(in: words) { return stated.at(peer) }
        if let refusal = SudoRefusal(exit.errorLines) { return refusal.error(at: peer) }
        // OpenSSH's own status where PAM opens no session (session.c, do_child).
        if exit.status == 254 {
            return LivemigError(
                .connectDropped, "the SSH server of \(peer) opened no session: \(error.what)",
                at: peer,
                fix: "see its log and the limits of PAM there (limits.conf(5), maxlogins)")
        }
        if exit.status == 127 || exit.status == 126 {
            // The name that was asked for, not the program of the key's line.
            let isAsked = words.contains("livemig-agent:") && !words.contains("/livemig-agent")
            if isAsked { return foreign(peer, words) }
            return LivemigError(
                .noAgent, "the forced command did not start", at: "\(peer): \(words)",
                fix: "run livemig host trust again")
        }
        // Something was said that is no greeting, or the command was killed.
        if error.code == .hello, !error.what.hasSuffix("got \"\"") { return greeted(error) }
        guard exit.status != nil else {
            return words.isEmpty
                ? error : LivemigError(error.code, "\(error.what): \(words)", at: peer)
        }
        return foreign(peer, words.isEmpty ? error.what : words)
    }

    private static func greeted(_ error: LivemigError) -> LivemigError {
        guard error.code == .hello else { return error }
        var error = error
        error.fix += (error.fix.isEmpty ? "" : ", and ") + "see ForceCommand in sshd_config there"
        return error
    }

    /// Something else answers than the gate.
    static func foreign(_ peer: String, _ detail: String = "") -> LivemigError {
        LivemigError(
            .gate,
            "the SSH server of \(peer) runs something else for the key than livemig's gate"
                + (detail.isEmpty ? "" : ": \(detail)"), at: peer,
            fix: "see ForceCommand in its sshd_config, also in Match blocks, the user's shell and "
                + "start-up files, and other lines for the key in authorized_keys")
    }

    /// The error that an agent printed before it ended.
    private static func stated(in line: String) -> LivemigError? {
        guard let start = line.firstRange(of: "livemig-agent: error["),
            let end = line.firstRange(of: "]: "), start.upperBound < end.lowerBound,
            let code = ErrorCode(rawValue: String(line[start.upperBound..<end.lowerBound]))
        else { return nil }
        var text = line[end.upperBound...]
        if text.hasSuffix("\"") { text = text.dropLast() }
        return LivemigError(code, String(text).replacing("\\\"", with: "\""))
    }
}
