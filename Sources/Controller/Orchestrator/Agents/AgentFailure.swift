public import MigrationModel
import SSHTransport

/// Why a conversation with an agent ended, from what the frames, the command and SSH say.
enum AgentFailure {
    /// The reason why there was no greeting.
    ///
    /// A shell reports a program that it cannot find as 127 and one that it cannot start as 126
    /// (POSIX, Shell Command Language, 2.8.2).
    /// - Parameters:
    ///   - hello: what the greeting's reader says.
    ///   - end: how the command ended.
    ///   - host: the host.
    static func beforeGreeting(
        _ hello: LivemigError, _ end: Result<SSHExit, LivemigError>, host: HostRecord
    ) -> LivemigError {
        guard hello.code != .version else { return hello.named(host.name) }
        // The reader quotes what came instead; without any, only the command's end can tell.
        let wasSilent = hello.code == .disconnected || hello.what.hasSuffix("got \"\"")
        if host.become == .sudo, wasSilent, case .success(let exit) = end,
            let refusal = SudoRefusal(exit.errorLines)
        {
            return refusal.error(at: host.name.text)
        }
        switch end {
        // OpenSSH's own status where PAM opens no session (session.c, do_child).
        case .success(let exit) where exit.status == 254:
            return LivemigError(
                .connectDropped, "the SSH server opened no session: \(hello.what)",
                at: host.name.text,
                fix: "see its log and the limits of PAM there (limits.conf(5), maxlogins)")
        case .success(let exit):
            if exit.status == 127 || exit.status == 126, wasSilent {
                let what = exit.status == 127 ? "not found" : "not executable"
                return LivemigError(
                    .noAgent, "\(host.agent) \(what) (exit \(exit.status ?? 0))",
                    at: host.name.text,
                    fix: "install livemig-agent there, or name it with host add --agent")
            }
            guard wasSilent else { return hello.named(host.name) }
            return unheard(exit, of: host) ?? ended(exit).named(host.name)
        case .failure(let error):
            return wasSilent ? error.named(host.name) : hello.named(host.name)
        }
    }

    /// A command that ended by itself before any agent had said a word.
    ///
    /// Such are a login shell that runs nothing, start-up files that leave it, and what else sshd
    /// runs instead. `nil` for an agent that said why, and for one that was killed.
    private static func unheard(_ exit: SSHExit, of host: HostRecord) -> LivemigError? {
        guard let status = exit.status, status < 128 || status == 255,
            stated(in: exit.lastError) == nil
        else { return nil }
        let last = exit.lastError.isEmpty ? "" : "; its last words: \(exit.lastError)"
        return LivemigError(
            .hello,
            "the login ended with status \(status), and livemig-agent did not answer\(last)",
            at: host.name.text,
            fix: "see the user's shell and its start-up files there, and ForceCommand and "
                + "ChrootDirectory in sshd_config")
    }

    /// The reason why a conversation broke off.
    /// - Parameters:
    ///   - read: what the reader of frames says; `nil` at the stream's end.
    ///   - end: how the command ended.
    ///   - host: the host.
    static func afterGreeting(
        _ read: LivemigError?, _ end: Result<SSHExit, LivemigError>, host: HostName
    ) -> LivemigError {
        switch end {
        case .success(let exit): ended(exit).named(host)
        case .failure(let error) where error.code == .cancelled:
            (read ?? LivemigError(.disconnected, "the agent closed the connection")).named(host)
        case .failure(let error): error.named(host)
        }
    }

    private static func ended(_ exit: SSHExit) -> LivemigError {
        if let error = stated(in: exit.lastError) { return error }
        // A signal ends it without a status, or, behind a shell, with 128 and its number.
        let wasKilled = exit.status == nil || exit.status == 137
        let status = exit.status.map { "with status \($0)" } ?? "without a status"
        let last = exit.lastError.isEmpty ? "" : "; its last words: \(exit.lastError)"
        return LivemigError(
            .disconnected, "livemig-agent ended \(status)\(last)",
            fix: wasKilled
                ? "see journalctl -k there: the kernel kills processes when memory runs out" : "")
    }

    /// The error that an agent printed as `error[E-CODE]: text` before it ended.
    static func stated(in line: String) -> LivemigError? {
        guard let start = line.firstRange(of: "error["), let end = line.firstRange(of: "]: "),
            start.upperBound < end.lowerBound,
            let code = ErrorCode(rawValue: String(line[start.upperBound..<end.lowerBound]))
        else { return nil }
        var text = line[end.upperBound...]
        if text.hasSuffix("\"") { text = text.dropLast() }
        return LivemigError(code, String(text).replacing("\\\"", with: "\""))
    }
}

extension ErrorCode {
    /// What a host does that could not be asked, in words: it may be off, or it has answered.
    public var wordsOfHost: String {
        switch self {
        case .connect, .connectDropped, .stall, .disconnected: "not reachable"
        case .cancelled: "not asked"
        case let code where code.isOfDamage: "cannot be read"
        case let code where code.exitCode == .trust: "reached, but not trusted"
        default: "reached, with an error"
        }
    }
}
