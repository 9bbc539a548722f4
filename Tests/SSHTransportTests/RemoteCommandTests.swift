import MigrationModel
import SSHTransport
import Testing

@Suite("Remote command lines")
struct RemoteCommandTests {
    @Test("Plain words pass unchanged; breaks when a word is altered or quoted")
    func plain() throws {
        let command = try RemoteCommand([
            "/usr/bin/livemig-agent", "serve", "--root", "/var/lib/livemig", "--peer=a@b:22+x",
        ])
        #expect(
            command.text
                == "/usr/bin/livemig-agent serve --root /var/lib/livemig --peer=a@b:22+x")
    }

    @Test(
        "Whatever a shell could read in another way is refused; breaks when the alphabet grows",
        arguments: [
            [], [""], ["cat", ""], ["a b"], ["cat;reboot"], ["$HOME"], ["`id`"], ["a|b"], ["a&"],
            ["a>b"], ["a<b"], ["*"], ["?"], ["[a]"], ["~root"], ["{a,b}"], ["a\nb"], ["a\\b"],
            ["'a'"], ["\"a\""], ["#a"], ["!a"], ["(a)"], ["a%b"], ["ä"], ["a\0b"],
            ["PATH=/x", "a"],
            ["-c", "a"], [String(repeating: "a", count: 4097)],
        ])
    func refused(_ words: [String]) {
        #expect { try RemoteCommand(words) } throws: {
            ($0 as? LivemigError)?.code == .usage
        }
    }
}
