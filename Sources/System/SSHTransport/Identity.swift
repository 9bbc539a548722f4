import CLibSSH
import Glibc
import LinuxSystem
import MigrationModel

/// What a session logs in with: one key file, or whatever the SSH agent holds.
struct Identity: ~Copyable {
    private let key: SSHKey?
    private let endpoint: SSHEndpoint

    /// Reads the key, so that a bad file is found before anything is connected.
    init(_ endpoint: SSHEndpoint) throws(LivemigError) {
        self.endpoint = endpoint
        guard let path = endpoint.identity else {
            guard unsafe endpoint.agentSocket != nil || getenv("SSH_AUTH_SOCK") != nil else {
                throw LivemigError(
                    .key, "no identity file is given and no SSH agent runs", at: endpoint.name,
                    fix: "name a key with --identity, or start ssh-agent and set SSH_AUTH_SOCK")
            }
            key = nil
            return
        }
        key = try SSHKey.privateKey(file: path)
    }

    /// Logs in by public key, the only method ever tried.
    borrowing func authenticate(
        _ session: SessionHandle, until deadline: MonotonicTime
    ) throws(LivemigError) {
        let result: CInt?
        switch key {
        case .some(let key):
            result = try session.complete(deadline, again: CInt(SSH_AUTH_AGAIN.rawValue)) {
                unsafe ssh_userauth_publickey(session.pointer, nil, key.pointer)
            }
        case .none:
            result = try session.complete(deadline, again: CInt(SSH_AUTH_AGAIN.rawValue)) {
                unsafe ssh_userauth_agent(session.pointer, nil)
            }
        }
        try judge(result, session)
    }

    private borrowing func judge(_ result: CInt?, _ session: SessionHandle) throws(LivemigError) {
        let account = "\(endpoint.user)@\(endpoint.name)"
        switch result {
        case CInt(SSH_AUTH_SUCCESS.rawValue)?: return
        case nil:
            throw LivemigError(
                .connect,
                "\(endpoint.socketAddress) did not complete the login within "
                    + endpoint.connectTimeout.brief,
                at: endpoint.name, fix: "check sshd on the host")
        case CInt(SSH_AUTH_DENIED.rawValue)?, CInt(SSH_AUTH_PARTIAL.rawValue)?:
            throw refusal(account)
        default:
            // sshd disconnects after MaxAuthTries keys; anything else is a broken connection.
            if session.reason.contains("Too many authentication failures") {
                throw refusal(account)
            }
            throw LivemigError(
                .connectDropped,
                "\(endpoint.socketAddress) dropped the connection during login: \(session.reason)",
                at: endpoint.name, fix: "see the log of sshd there")
        }
    }

    private borrowing func refusal(_ account: String) -> LivemigError {
        LivemigError(
            .authentication, "\(account) refused \(offered)", at: endpoint.place,
            fix: "add the public key to authorized_keys of \(endpoint.user) there")
    }

    private var offered: String {
        switch key {
        case .some(let key): "key \(key.fingerprint ?? "") (\(endpoint.identity ?? ""))"
        case .none: "every key of the SSH agent"
        }
    }
}
