import CLibSSH
import Glibc
import LinuxSystem
import MigrationModel

/// What a session logs in with, ready before anything is connected.
struct Identity: ~Copyable {
    private let endpoint: SSHEndpoint
    private let credentials: [Credential]
    private let remarks: [String]
    private let filter: AgentFilter?
    /// libssh's end of the conversation with the filter, until a session has it.
    private var agentEnd: OwnedDescriptor?

    /// Reads the keys, so that a bad file is found before anything is connected.
    /// - Parameter notice: told what was passed over.
    init(
        _ endpoint: SSHEndpoint, notice: (@Sendable (String) -> Void)? = nil
    ) throws(LivemigError) {
        SSHLibrary.start()
        var plan = try IdentityPlan(endpoint)
        let bridge = try Self.bridge(&plan, patience: endpoint.loginTimeout)
        credentials = plan.credentials
        remarks = plan.remarks
        filter = bridge?.filter
        agentEnd = (bridge?.end).map { OwnedDescriptor(owning: $0) }
        self.endpoint = endpoint
        for remark in remarks { notice?(remark) }
    }

    /// Puts a filter before the agent, where something is to be asked of it.
    private static func bridge(
        _ plan: inout IdentityPlan, patience: Duration
    ) throws(LivemigError) -> (filter: AgentFilter, end: CInt)? {
        guard plan.credentials.contains(where: \.usesAgent), let agent = plan.takeAgent() else {
            return nil
        }
        let ends = try UnixSocket.pair(.stream).release()
        let filter = AgentFilter(
            agent, patience: patience, end: OwnedDescriptor(owning: ends.second))
        return (filter, ends.first)
    }

    /// Logs in by public key, the only method ever tried.
    ///
    /// Time that a question for a passphrase takes does not count.
    mutating func authenticate(
        _ session: SessionHandle, until deadline: MonotonicTime
    ) throws(LivemigError) {
        if let end = agentEnd.take() {
            guard unsafe ssh_set_agent_socket(session.pointer, end.release()) == SSH_OK else {
                throw LivemigError(.internal, "libssh takes no agent socket: \(session.reason)")
            }
        }
        var attempt = LoginAttempt(deadline: deadline)
        for credential in credentials {
            for credential in try open(credential, &attempt) {
                attempt.offered += 1
                switch try offerEveryWay(credential, session, attempt.deadline) {
                case CInt(SSH_AUTH_SUCCESS.rawValue)?: return
                case CInt(SSH_AUTH_DENIED.rawValue)?: break
                case CInt(SSH_AUTH_PARTIAL.rawValue)?: attempt.isPartial = true
                case nil: throw late
                default: throw broken(session, attempt)
                }
            }
        }
        throw refusal(attempt, session)
    }

    private struct LoginAttempt {
        var deadline: MonotonicTime
        var offered = 0
        var isPartial = false
        var remarks: [String] = []
    }

    private func open(
        _ credential: Credential, _ attempt: inout LoginAttempt
    ) throws(LivemigError) -> [Credential] {
        guard case .locked(let file) = credential else { return [credential] }
        let start = MonotonicTime.now
        defer { attempt.deadline = attempt.deadline + start.elapsed }
        do throws(LivemigError) {
            let key = try Passphrases.unlock(file)
            return IdentityPlan.credentials(key, file, endpoint)
        } catch {
            attempt.remarks.append("\(file.path.printable): \(error.what)")
            return []
        }
    }

    /// Offers a credential; an RSA key with SHA-256 as well where SHA-512 was refused.
    ///
    /// OpenSSH before 9.6 announces signature algorithms that its configuration does not accept, and
    /// libssh chooses among those announced (RFC 8308, section 3.1).
    private func offerEveryWay(
        _ credential: Credential, _ session: SessionHandle, _ deadline: MonotonicTime
    ) throws(LivemigError) -> CInt? {
        let result = try offer(credential, session, deadline)
        guard result == CInt(SSH_AUTH_DENIED.rawValue), credential.isRSA else { return result }
        try session.acceptUserKeys(AlgorithmOffer.userKeys.filter { !$0.contains("sha2-512") })
        let second = try offer(credential, session, deadline)
        try session.acceptUserKeys(AlgorithmOffer.userKeys)
        return second
    }

    private func offer(
        _ credential: Credential, _ session: SessionHandle, _ deadline: MonotonicTime
    ) throws(LivemigError) -> CInt? {
        switch credential {
        case .agent(let offer):
            filter?.offer(offer)
            return try session.complete(
                deadline, again: CInt(SSH_AUTH_AGAIN.rawValue),
                failure: CInt(SSH_AUTH_ERROR.rawValue)
            ) {
                unsafe ssh_userauth_agent(session.pointer, nil)
            }
        case .key(let shared, _):
            return try session.complete(
                deadline, again: CInt(SSH_AUTH_AGAIN.rawValue),
                failure: CInt(SSH_AUTH_ERROR.rawValue)
            ) {
                unsafe ssh_userauth_publickey(session.pointer, nil, shared.key.pointer)
            }
        case .locked: return CInt(SSH_AUTH_DENIED.rawValue)
        }
    }

    // MARK: Reasons

    private var late: LivemigError {
        LivemigError(
            .connect,
            "\(endpoint.socketAddress) did not complete the login within "
                + endpoint.loginTimeout.brief,
            at: endpoint.name,
            fix: "check sshd on the host; a host that is only slow needs a longer loginTimeout in "
                + "the inventory")
    }

    /// sshd disconnects after MaxAuthTries keys; anything else is a broken connection.
    private func broken(_ session: SessionHandle, _ attempt: LoginAttempt) -> LivemigError {
        guard session.reason.contains("Too many authentication failures") else {
            return LivemigError(
                .connectDropped,
                "\(endpoint.socketAddress) dropped the connection during login: \(session.reason)",
                at: endpoint.name, fix: "see the log of sshd there")
        }
        guard credentials.count > 1 else { return refusal(attempt, session) }
        let tried =
            attempt.offered < credentials.count
            ? "\(attempt.offered) of \(credentials.count) keys" : "\(attempt.offered) keys"
        return LivemigError(
            .authentication,
            "too many keys offered: sshd ended the login of \(account) after \(tried) "
                + "(MaxAuthTries)",
            at: endpoint.place,
            fix: "name the right key: identity= in the inventory takes a public key file as well, "
                + "as IdentityFile with IdentitiesOnly in ~/.ssh/config does")
    }

    private var account: String { "\(endpoint.user)@\(endpoint.name)" }

    private func refusal(_ attempt: LoginAttempt, _ session: SessionHandle) -> LivemigError {
        let notes = (remarks + attempt.remarks).map { "; \($0)" }.joined()
        guard !attempt.isPartial else {
            let more = unsafe ssh_userauth_list(session.pointer, nil)
            let method =
                more & CInt(SSH_AUTH_METHOD_INTERACTIVE) != 0
                ? "keyboard-interactive" : "another method or key"
            return LivemigError(
                .authentication,
                "\(account) accepted a key and asks for \(method) besides, which livemig has not"
                    + notes,
                at: endpoint.place, fix: "let AuthenticationMethods of sshd there be publickey")
        }
        return LivemigError(
            .authentication, "\(account) refused \(offered)\(notes)", at: endpoint.place,
            fix: endpoint.refusalFix
                ?? "add the public key to authorized_keys of \(endpoint.user) there; where it is, "
                + "see AllowUsers, DenyUsers and PermitRootLogin of sshd there, and whether "
                + "PubkeyAcceptedAlgorithms allows \(kinds)")
    }

    /// The kinds of keys that were offered, in words of sshd_config(5).
    private var kinds: String {
        var kinds: [String] = []
        for credential in credentials {
            let kind = credential.isRSA ? "rsa-sha2-512" : credential.kind
            if !kind.isEmpty, !kinds.contains(kind) { kinds.append(kind) }
        }
        return kinds.isEmpty ? "them" : kinds.joined(separator: " or ")
    }

    private var offered: String {
        let names = credentials.map { credential in
            switch credential {
            case .agent(let offer): "\(offer.shown.kind) of the SSH agent"
            case .key(_, let name): name
            case .locked(let file): "key \(file.path.printable)"
            }
        }
        if let first = names.first, names.count == 1 { return first }
        if credentials.allSatisfy(\.usesAgent) {
            return "every one of the \(names.count) keys of the SSH agent"
        }
        return "all \(names.count) keys: " + names.prefix(8).joined(separator: ", ")
    }
}

extension SessionHandle {
    /// Says what user keys may sign with from now on.
    fileprivate func acceptUserKeys(_ algorithms: [String]) throws(LivemigError) {
        let list = algorithms.joined(separator: ",")
        guard unsafe ssh_options_set(pointer, SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, list) == SSH_OK
        else { throw LivemigError(.internal, "libssh takes no list of algorithms: \(reason)") }
    }
}
